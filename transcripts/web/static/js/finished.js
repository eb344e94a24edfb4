// Finished calls: search with marked excerpts.  The address holds the whole search, so that it can be shared.

import { Api, askForKey } from "./api.js";
import { requireSession, startShell } from "./shell.js";
import { clock, duration, element, fillMarked, fromCodePoints, icon, roleName, said } from "./text.js";

const TYPING_MS = 300;
const PAGE = 30;
const PLAIN = ["q", "role", "agent", "keyword", "tag", "language"];
const DEFAULTS = { status: "ended", order: "newest" };
const FILTERS = ["from", "until", "role", "agent", "keyword", "tag", "language", "minutes", "status", "order"];

const find = (selector) => document.querySelector(selector);
const form = find("form.search");
const results = find(".results");
const api = new Api();
let cursor = null;
let asked = null;
let typing = null;

/** The values of the form that differ from an empty search. */
function chosen() {
  const values = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim()]));
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== (DEFAULTS[name] ?? "")));
}

/** The parameters of `GET /v1/calls` for values of the form. */
function parameters(values) {
  const query = new URLSearchParams();
  for (const name of PLAIN) if (values[name]) query.set(name, values[name]);
  const status = values.status ?? DEFAULTS.status;
  if (status) query.set("status", status);
  const order = values.order ?? DEFAULTS.order;
  query.set("order", values.q && order === "longest" ? "newest" : order);
  if (values.from) query.set("from", new Date(`${values.from}T00:00`).toISOString());
  if (values.until) {
    const day = new Date(`${values.until}T00:00`);
    day.setDate(day.getDate() + 1);
    query.set("to", day.toISOString());
  }
  if (Number(values.minutes) > 0) query.set("min_duration", String(60 * Number(values.minutes)));
  query.set("limit", String(PAGE));
  return query;
}

/** Fill the form from the address.  `typed`: words that were typed before this script ran. */
function readAddress(typed = "") {
  const wanted = new URLSearchParams(location.search);
  for (const field of form.elements) {
    if (field.name) field.value = wanted.get(field.name) ?? DEFAULTS[field.name] ?? "";
  }
  if (typed && !wanted.has("q")) form.elements.q.value = typed;
  const number = FILTERS.filter((name) => wanted.has(name)).length;
  if (number) find("[data-filters]").open = true;
}

function showNumber(values) {
  const number = FILTERS.filter((name) => name in values).length;
  find("[data-active]").hidden = !number;
  find("[data-active]").textContent = `${number} set`;
}

async function search({ more = false, push = false } = {}) {
  const values = chosen();
  if (!more) {
    const address = `${location.pathname}${Object.keys(values).length ? `?${new URLSearchParams(values)}` : ""}`;
    if (address !== location.pathname + location.search) history[push ? "pushState" : "replaceState"](null, "", address);
  }
  showNumber(values);
  const query = parameters(values);
  if (more && cursor) query.set("cursor", cursor);
  asked?.abort();
  asked = new AbortController();
  results.setAttribute("aria-busy", "true");
  try {
    const page = await api.json(`/v1/calls?${query}`, { signal: asked.signal });
    show(page, values, more);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (error.isUnauthorised) return askForKey();
    find("[role=alert]").textContent = error.message;
    find("[role=alert]").hidden = false;
  }
  results.removeAttribute("aria-busy");
}

function show(page, values, more) {
  find("[role=alert]").hidden = true;
  cursor = page.next_cursor;
  const found = page.calls.map(result);
  if (more) results.append(...found);
  else results.replaceChildren(...found);
  const number = results.children.length;
  find("[data-count]").textContent = number ? `${number}${cursor ? "+" : ""} ${number === 1 ? "call" : "calls"}` : "";
  find("[data-more]").hidden = !cursor;
  const empty = find("[data-empty]");
  empty.hidden = number > 0 || Boolean(cursor);
  const isSearch = Object.keys(values).length > 0;
  empty.replaceChildren(icon("search"), element("h2", { text: isSearch ? "Nothing was found" : "No finished calls yet" }),
    element("p", { text: isSearch ? "Try fewer words or filters. The words of a search must be in one sentence; invoic* finds every word that begins so." : "Calls appear here when they are over." }));
}

function result(call) {
  const path = `/calls/${encodeURIComponent(call.call_id)}`;
  const began = new Date(call.started_at * 1000);
  const head = element("div", { class: "result-head" },
    element("a", { class: "said", dir: "auto", href: path, text: call.agent || call.call_id }),
    call.agent ? element("span", { class: "muted said", dir: "auto", text: call.call_id }) : "",
    element("time", { datetime: began.toISOString(), text: began.toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) }),
    element("span", { class: "muted numbers", text: duration(call.duration_ms) }),
    element("span", { class: "chips" },
      call.status === "live" ? element("span", { class: "chip live good", text: "Live" }) : "",
      element("span", { class: "chip", text: call.language }),
      ...call.tags.slice(0, 6).map((tag) => element("span", { class: "chip accent said", dir: "auto", text: tag })),
      call.legal_hold ? element("span", { class: "chip warn", text: "Legal hold" }) : ""));
  return element("li", { class: "card result" }, head, ...call.hits.map((hit) => excerpt(path, hit)));
}

function excerpt(path, hit) {
  const words = said("");
  fillMarked(words, hit.excerpt, fromCodePoints(hit.excerpt, hit.marks));
  return element("a", { class: "hit", href: `${path}#segment=${encodeURIComponent(hit.segment_id)}` },
    element("time", { text: clock(hit.start_ms) }), element("span", { class: `role ${hit.role}`, text: roleName(hit.role) }), words);
}

form.addEventListener("submit", (event) => { event.preventDefault(); search({ push: true }); });
form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => search(), TYPING_MS); });
form.addEventListener("reset", () => setTimeout(() => {
  for (const [name, value] of Object.entries(DEFAULTS)) form.elements[name].value = value;
  search({ push: true });
}));
find("[data-more]").addEventListener("click", () => search({ more: true }));
addEventListener("popstate", () => { readAddress(); search(); });

startShell();
await requireSession();
readAddress(form.elements.q.value);
search();
