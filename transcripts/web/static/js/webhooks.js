// Webhooks: endpoints of the tenant, their deliveries with state, and a button that sends one again.

import { Api, askForKey } from "./api.js";
import { requireSession, startShell } from "./shell.js";
import { element, icon, toast } from "./text.js";

const EVERY_MS = 3_000;
const EVENTS = {
  "call.started": "A call has begun", "call.final": "Each final, with its text", "call.revised": "Redaction has changed a final",
  "call.ended": "A call has ended", "call.stored": "The transcript can be read", "call.summarised": "A summary is stored",
  "keyword.heard": "A keyword was heard", "rule.raised": "A rule was fulfilled",
};
const USUAL = ["call.started", "call.stored", "keyword.heard", "rule.raised"];
const STATES = { waiting: ["Waiting", "warn"], delivered: ["Delivered", "good"], dead: ["Given up", "bad"] };

const find = (selector) => document.querySelector(selector);
const api = new Api();
let chosen = "";
let cursor = null;
let isLong = false;     // more than the first page is shown: it is not read again by itself
const rendered = new Map();

/** Do something with the API; errors are shown on the page. */
async function attempt(work) {
  try {
    const result = await work();
    find("[role=alert]").hidden = true;
    return result;
  } catch (error) {
    if (error.isUnauthorised) askForKey();
    find("[role=alert]").textContent = error.status === 403 ? "Webhooks take a key with the scope admin." : error.message;
    find("[role=alert]").hidden = false;
    return undefined;
  }
}

/** Replace the content of a place if it has changed; the focus stays on the button that had it. */
function render(place, value, make) {
  const text = JSON.stringify(value);
  if (rendered.get(place) === text) return;
  rendered.set(place, text);
  const focused = document.activeElement?.dataset?.key;
  place.replaceChildren(...make());
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

const path = (id) => `/v1/webhooks/${encodeURIComponent(id)}`;
const time = (seconds) => {
  const at = new Date(seconds * 1000);
  return element("time", { datetime: at.toISOString(), text: at.toLocaleString([], { dateStyle: "short", timeStyle: "medium" }) });
};
const button = (key, text, onclick, attributes = {}) => element("button", { type: "button", "data-key": key, text, onclick, ...attributes });

async function readWebhooks() {
  const answer = await attempt(() => api.json("/v1/webhooks"));
  find("[data-add]").classList.remove("until-known");
  if (!answer) return;
  const { webhooks } = answer;
  if (!webhooks.some((one) => one.webhook_id === chosen)) choose(webhooks[0]?.webhook_id ?? "");
  find("[data-count]").textContent = webhooks.length ? `${webhooks.length} of at most 20` : "There are none yet.";
  render(find("[data-webhooks]"), [webhooks, chosen], () => webhooks.map(webhook));
}

function webhook(one) {
  const id = one.webhook_id;
  return element("li", { class: "card webhook", "aria-current": String(id === chosen) },
    element("h2", { text: one.url }),
    one.description ? element("p", { class: "muted said", dir: "auto", text: one.description }) : "",
    element("p", { class: "chips" }, ...stateOf(one),
      ...one.events.map((name) => element("span", { class: "chip", text: name }))),
    element("p", { class: "muted small", text: numbers(one) }),
    element("p", { class: "row" },
      button(`show-${id}`, "Deliveries", () => { choose(id); refresh(); }, { "aria-pressed": String(id === chosen) }),
      button(`test-${id}`, "Send a test", () => act(`${path(id)}/test`, "POST", undefined, "The test is queued.")),
      button(`enable-${id}`, one.enabled ? "Disable" : "Enable", () => act(path(id), "PATCH", { enabled: !one.enabled })),
      button(`delete-${id}`, "Delete", () => { if (confirm(`Delete the webhook ${one.url} with its deliveries?`)) act(path(id), "DELETE"); }, { class: "quiet" })));
}

function stateOf(one) {
  if (!one.enabled) return [element("span", { class: "chip bad", text: one.disabled_reason ? `Disabled: ${one.disabled_reason}` : "Disabled" })];
  if (one.failures) return [element("span", { class: "chip warn", text: `Failing: ${one.failures} in a row` })];
  return [element("span", { class: "chip good", text: "Enabled" })];
}

function numbers(one) {
  const dropped = one.dropped_events ? `, ${one.dropped_events} dropped` : "";
  return `${one.waiting} waiting, ${one.delivered} delivered, ${one.dead} given up${dropped}`;
}

function choose(id) {
  chosen = id;
  cursor = null;
  isLong = false;
  rendered.delete(find("[data-webhooks]"));
  find("[data-deliveries]").hidden = !id;
}

async function readDeliveries({ more = false } = {}) {
  if (!chosen || (isLong && !more)) return;
  const asked = chosen;
  const query = new URLSearchParams({ limit: "50" });
  if (find("[data-state]").value) query.set("state", find("[data-state]").value);
  if (more && cursor) query.set("cursor", cursor);
  const page = await attempt(() => api.json(`${path(asked)}/deliveries?${query}`));
  if (!page || asked !== chosen) return;
  cursor = page.next_cursor;
  isLong = more;
  find("[data-more]").hidden = !cursor;
  const place = find("[data-rows]");
  if (more) {
    place.append(...page.deliveries.map(delivery));
    rendered.delete(place);
  } else {
    render(place, [asked, page], () => (page.deliveries.length ? page.deliveries.map(delivery)
      : [element("tr", {}, element("td", { colspan: "7", class: "muted", text: "No deliveries." }))]));
  }
}

function delivery(one) {
  const [words, level] = STATES[one.state];
  const again = `${path(chosen)}/deliveries/${encodeURIComponent(one.delivery_id)}/redeliver`;
  return element("tr", {},
    element("td", { class: "numbers" }, time(one.queued_at)),
    element("td", { text: one.event }),
    element("td", {}, one.call_id ? element("a", { class: "said", dir: "auto", href: `/calls/${encodeURIComponent(one.call_id)}`, text: one.call_id }) : "–"),
    element("td", {}, element("span", { class: `chip ${level}` }, icon(one.state === "delivered" ? "check" : "warning"), words)),
    element("td", { class: "numbers", text: String(one.attempts) }),
    element("td", { class: "last" }, one.error || (one.status ?? "–"), one.next_attempt_at && one.attempts ? element("span", { class: "muted" }, "; next ", time(one.next_attempt_at)) : ""),
    element("td", {}, button(`again-${one.delivery_id}`, "Send again", () => { isLong = false; act(again, "POST", undefined, "It is sent again."); },
      { "aria-label": `Send ${one.event} of ${one.call_id ?? "the test"} again` })));
}

async function act(where, method, body, words) {
  const done = await attempt(async () => { await api.json(where, { method, body }); return true; });
  if (done && words) toast(words);
  if (done) await refresh();
}

async function refresh() {
  await readWebhooks();
  await readDeliveries();
}

async function refreshRepeatedly() {
  if (!document.hidden && find("[role=alert]").hidden) await refresh();
  setTimeout(refreshRepeatedly, EVERY_MS);
}

find(".events").append(...Object.entries(EVENTS).map(([name, words]) => element("label", { class: "check", title: words },
  element("input", { type: "checkbox", name: "events", value: name, checked: USUAL.includes(name) }), name)));
find("[data-add]").addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = new FormData(event.target);
  const body = { url: values.get("url"), description: values.get("description"), events: values.getAll("events") };
  const made = await attempt(() => api.json("/v1/webhooks", { method: "POST", body }));
  if (!made) return;
  event.target.reset();
  find("[data-secret-text]").textContent = made.secret;
  find("[data-secret]").hidden = false;
  choose(made.webhook_id);
  await refresh();
});
find("[data-copy]").addEventListener("click", async () => {
  await navigator.clipboard?.writeText(find("[data-secret-text]").textContent);
  toast("Copied.");
});
find("[data-hide]").addEventListener("click", () => {
  find("[data-secret-text]").textContent = "";
  find("[data-secret]").hidden = true;
});
find("[data-state]").addEventListener("change", () => { isLong = false; readDeliveries(); });
find("[data-more]").addEventListener("click", () => readDeliveries({ more: true }));

startShell();
await requireSession();
refreshRepeatedly();
