// Connect a phone system: the snippet with the right host, a key made on the spot, and a lamp for the first audio.

import { Api, askForKey } from "./api.js";
import { ArrivalLevels } from "./arrival-levels.js";
import { BRIDGES, checks } from "./bridges.js";
import { LiveCalls } from "./live-calls.js";
import { troubles, who } from "./live-rows.js";
import { requireSession, startShell } from "./shell.js";
import { audioFormat, element, icon, roleName, toast } from "./text.js";

const PATIENCE_MS = 30_000;
const LOOK_MS = 5_000;
const REFUSALS = {
  unauthorized: "the key is missing or not valid", forbidden: "the key does not permit calls",
  no_such_path: "no bridge connects to this path", full: "the gateway has no room", draining: "the gateway restarts",
  too_many_requests: "too many calls or attempts", overloaded: "the gateway is overloaded",
  host: "this host name is not served: see allowed_hosts", origin: "pages of this origin are not served: see allowed_origins",
};

const find = (selector) => document.querySelector(selector);
const api = new Api();

/** The addresses of the gateway; what the settings do not name is guessed from the address of this page. */
function addresses(known) {
  const secure = location.protocol === "https:";
  const isPlainHost = (url) => url.replace("://0.0.0.0", `://${location.hostname}`).replace("://[::]", `://${location.hostname}`);
  return {
    ws: isPlainHost(known.gateway_url || `${secure ? "wss" : "ws"}://${location.hostname}:8080`),
    http: isPlainHost(known.gateway_http_url || `${secure ? "https" : "http"}://${location.hostname}:8081`),
    audiosocket: known.audiosocket.replace("0.0.0.0", location.hostname),
    isGuessed: !known.gateway_url,
  };
}

class ConnectPage {
  constructor(known) {
    this.known = known;
    this.places = addresses(known);
    this.key = "";
    this.began = Date.now();
    this.before = null;
    this.arrived = null;
    this.levels = new ArrivalLevels(find("[data-levels]"), api);
    const wanted = new URLSearchParams(location.search).get("system");
    this.bridge = BRIDGES.find((one) => one.id === wanted) ?? BRIDGES[0];
    this.live = new LiveCalls({ api, onChange: () => this.#look(), onState: (state) => {
      if (state.kind === "refused" && state.error.isUnauthorised) askForKey();
    } });
  }

  start() {
    this.#showBridges();
    this.#showKey();
    this.#showSnippet();
    this.#showArrival();
    find(".connect").classList.remove("until-known");
    this.live.start();
    setInterval(() => this.#lookAgain(), LOOK_MS);
  }

  /** While nothing arrives: what the gateways refused since. */
  async #lookAgain() {
    if (this.arrived || document.hidden) return;
    try {
      this.known = await api.json("/v1/connect");
    } catch { /* the stream of calls tells it */ }
    this.#showArrival();
  }

  /** Connections that were refused since this phone system was chosen, newest first. */
  #refused() {
    return this.known.refused.filter((one) => one.at * 1000 >= this.began).slice(0, 3);
  }

  #showBridges() {
    const group = find(".bridges");
    const buttons = BRIDGES.map((one) => element("button", { type: "button", role: "radio", text: one.name,
      onclick: () => this.#choose(one), onkeydown: (event) => this.#step(event, one) }));
    group.replaceChildren(...buttons);
    this.buttons = buttons;
    this.#markChosen();
  }

  #markChosen() {
    this.buttons.forEach((button, place) => {
      const isChosen = BRIDGES[place] === this.bridge;
      button.setAttribute("aria-checked", String(isChosen));
      button.tabIndex = isChosen ? 0 : -1;
    });
  }

  #choose(bridge) {
    this.bridge = bridge;
    this.began = Date.now();
    this.arrived = null;
    this.before = new Set(this.live.calls.keys());
    history.replaceState(null, "", `${location.pathname}?system=${bridge.id}`);
    this.#markChosen();
    this.#showKey();
    this.#showSnippet();
    this.#showArrival();
  }

  #step(event, bridge) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const place = (BRIDGES.indexOf(bridge) + by + BRIDGES.length) % BRIDGES.length;
    this.#choose(BRIDGES[place]);
    this.buttons[place].focus();
  }

  #showKey() {
    const place = find("[data-key]");
    const { needs_key: needs, can_make_keys: can, tenant } = this.known;
    if (!needs) return place.replaceChildren(element("p", { text: "This installation has no keys: bridges connect without one. It accepts connections from this machine only." }));
    const parts = [];
    if (this.bridge.keyNote) parts.push(element("p", { class: "muted", text: this.bridge.keyNote }));
    else if (this.key) parts.push(element("p", { class: "key", text: this.key }), element("p", { class: "muted small", text: "It is shown once and is in the text below. It permits sending calls, and nothing else; gateways know it after five seconds." }));
    else if (can) {
      const button = element("button", { class: "primary", type: "button", text: "Make a key", onclick: () => this.#makeKey(button) });
      parts.push(element("p", { class: "muted", text: `A key with the scope ingest${tenant ? ` for ${tenant}` : ""}: it may send calls, and nothing else.` }), element("div", { class: "row" }, button));
    } else {
      parts.push(element("p", { class: "muted", text: "Your key may not make keys. Ask an administrator for one with the scope ingest, and paste it here; it stays in this page." }));
      parts.push(element("input", { "aria-label": "Key with the scope ingest", placeholder: "tk_…", autocomplete: "off", spellcheck: "false",
        oninput: (event) => { this.key = event.target.value.trim(); this.#showSnippet(); } }));
    }
    place.replaceChildren(...parts);
  }

  async #makeKey(button) {
    button.disabled = true;
    try {
      this.key = (await api.json("/v1/keys", { method: "POST", body: { note: `${this.bridge.name}, made on the page` } })).key;
      this.#showKey();
      this.#showSnippet();
    } catch (error) {
      button.disabled = false;
      toast(error.message);
    }
  }

  #showSnippet() {
    find("[data-name]").textContent = this.bridge.name;
    const key = this.known.needs_key ? this.key || "YOUR_KEY" : "";
    const text = this.bridge.snippet({ ...this.places, key });
    const copy = element("button", { type: "button", text: "Copy", onclick: async () => {
      await navigator.clipboard.writeText(text).then(() => toast("Copied"), () => toast("The browser did not permit copying"));
    } });
    const parts = [element("p", { class: "muted", text: this.bridge.note }),
      element("div", { class: "snippet" }, element("pre", { tabindex: "0", "aria-label": `Configuration of ${this.bridge.name}`, text }), copy)];
    if (this.places.isGuessed) parts.push(element("p", { class: "muted small", text: "The address of the gateway is guessed from this page. Set gateway_url in [api] if it is another one." }));
    find("[data-snippet]").replaceChildren(...parts);
  }

  /** The first call that was not there when the page was opened. */
  #look() {
    this.before ??= this.#earlier();
    const fresh = [...this.live.calls.values()].filter((row) => !this.before.has(row.call_id));
    const fits = fresh.find((row) => this.bridge.dialects.includes(row.dialect));
    const row = (this.arrived && this.live.calls.get(this.arrived.call_id)) ?? fits ?? fresh[0];
    if (row && row.version !== this.arrived?.version) {
      this.arrived = row;
      this.#showArrival();
    }
  }

  /** The calls of the first snapshot that had begun before: a call may be quicker than the snapshot. */
  #earlier() {
    const rows = [...this.live.calls.values()];
    return new Set(rows.filter((row) => row.started_at && row.started_at * 1000 < this.began).map((row) => row.call_id));
  }

  #showArrival() {
    const place = find("[data-arrival]");
    const row = this.arrived;
    this.levels.watch(row?.call_id ?? null, row?.roles);
    const state = row ? JSON.stringify([row.call_id, row.finals > 0, row.speaking.length > 0, troubles(row), row.ended, row.last?.partial === false])
      : JSON.stringify([Date.now() - this.began > PATIENCE_MS, this.bridge.id, this.#refused()]);
    if (place.dataset.shown === state) return;
    place.dataset.shown = state;
    place.replaceChildren(...(row ? this.#arrivedParts(row) : this.#waitingParts()));
  }

  #waitingParts() {
    const isLong = Date.now() - this.began > PATIENCE_MS;
    const waiting = element("div", { class: "waiting" }, element("div", { class: "lamp waits" }, icon("phone")),
      element("p", { text: "Waiting for the first audio …" }));
    const key = this.known.needs_key ? this.key : null;
    const list = element("ul", { class: "checks" }, ...checks(this.bridge, { ...this.places, key }).map((text) => element("li", { text })));
    const refused = this.#refused();
    if (refused.length) return [this.#refusedLamp(), this.#refusedList(refused), list];
    return isLong ? [waiting, element("p", { class: "small", text: "Nothing has arrived yet. Check:" }), list] : [waiting];
  }

  #refusedLamp() {
    return element("div", { class: "waiting" }, element("div", { class: "lamp bad" }, icon("close")),
      element("p", {}, element("strong", { text: "A connection was refused" })));
  }

  #refusedList(refused) {
    return element("ul", { class: "checks" }, ...refused.map(({ at, path, reason }) => element("li", {},
      element("time", { text: new Date(at * 1000).toLocaleTimeString() }), " ", element("code", { class: "said", text: path }),
      `: ${REFUSALS[reason] ?? reason.replaceAll("_", " ")}`)));
  }

  #arrivedParts(row) {
    const wrong = troubles(row);
    const hasSpeech = row.finals > 0 || row.speaking.length > 0 || row.last;
    const tone = wrong.some((one) => one.tone === "bad") ? "bad" : wrong.length ? "wrong" : "on";
    const title = wrong.length ? "Audio arrives, but something is wrong" : hasSpeech ? "It works: speech arrives" : "Connected. Say something.";
    const facts = [
      ["Call", who(row)], ["Through", row.dialect],
      ["Audio", audioFormat(row) || "not declared"],
      ["Channels", `${row.roles.length}: ${row.roles.map(roleName).join(", ")}`], ["Language", row.language],
      ["Speech", hasSpeech ? "detected" : "not yet"],
      ...(row.last ? [["Last words", row.last.text]] : []),
      ...(row.ended ? [["Ended", row.ended]] : []),
    ];
    return [
      element("div", { class: "waiting" }, element("div", { class: `lamp ${tone}` }, icon(wrong.length ? "warning" : "check")), element("p", {}, element("strong", { text: title }))),
      element("dl", { class: "found" }, ...facts.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { class: "said", dir: "auto", text: value })])),
      ...(wrong.length ? [element("ul", { class: "checks" }, ...wrong.map((one) => element("li", {}, element("strong", { text: `${one.text}: ` }), one.title)))] : []),
      element("a", { class: "button", href: `/calls/${encodeURIComponent(row.call_id)}`, text: "Open the page of this call" }),
    ];
  }
}

startShell();
await requireSession();
const page = new ConnectPage(await api.json("/v1/connect"));
page.start();
