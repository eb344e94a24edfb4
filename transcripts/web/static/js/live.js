// The supervisor's page: all calls in progress, as a table or a wall, from one event stream.

import { Api, askForKey } from "./api.js";
import { CallCells } from "./live-cells.js";
import { LiveCalls } from "./live-calls.js";
import { ORDERS, passes, sorted, troubles } from "./live-rows.js";
import { requireSession, startShell } from "./shell.js";
import { element, icon } from "./text.js";

const MOST_ROWS = 200;
const MOST_TILES = 50;
const REORDER_MS = 2_000;      // rows do not jump at every word

const find = (selector) => document.querySelector(selector);

class LivePage {
  #cells = new Map();
  #visible = [];
  #isDue = false;
  #reorderAt = 0;

  constructor(api) {
    this.filter = find("[name=filter]");
    this.language = find("[name=language]");
    this.orderSelect = find("[name=order]");
    this.body = find("table.live tbody");
    this.wall = find("[data-wall]");
    this.readAddress();
    this.live = new LiveCalls({ api, onChange: (changed, gone) => this.#take(changed, gone), onState: (state) => this.#showState(state) });
  }

  start() {
    this.#prepareHead();
    this.#prepareTools();
    this.#showView();
    this.live.start();
    setInterval(() => this.#tick(), 1_000);
    setInterval(() => this.#soon(), REORDER_MS);
  }

  /** The address holds filter, order and view, so that it can be shared. */
  readAddress() {
    const said = new URLSearchParams(location.search);
    this.filter.value = said.get("filter") ?? "";
    this.wantedLanguage = said.get("language") ?? "";
    this.attention = said.get("attention") === "1";
    this.view = said.get("view") === "wall" ? "wall" : "table";
    const order = said.get("order") ?? "since";
    this.order = order.replace("-", "") in ORDERS ? order.replace("-", "") : "since";
    this.isReversed = order.startsWith("-");
  }

  #writeAddress() {
    const said = new URLSearchParams();
    if (this.filter.value) said.set("filter", this.filter.value);
    if (this.wantedLanguage) said.set("language", this.wantedLanguage);
    if (this.attention) said.set("attention", "1");
    if (this.view === "wall") said.set("view", "wall");
    if (this.order !== "since" || this.isReversed) said.set("order", (this.isReversed ? "-" : "") + this.order);
    history.replaceState(null, "", `${location.pathname}${said.size ? `?${said}` : ""}`);
  }

  #prepareHead() {
    const heads = [["who"], ["since"], ["language"], [null, "Last words"], ["talk"], ["keywords"], ["trouble"]];
    find("table.live thead tr").append(...heads.map(([order, label]) => {
      if (!order) return element("th", { scope: "col", class: "c-words", text: label });
      const button = element("button", { type: "button", class: "sort", "data-order": order, title: ORDERS[order].title ?? false,
        text: ORDERS[order].label, onclick: () => this.#sortBy(order) });
      return element("th", { scope: "col", class: `c-${order}`, "data-column": order }, button);
    }));
    this.orderSelect.append(...Object.entries(ORDERS).map(([value, { label, title }]) => element("option", { value, text: `By ${(title ?? label).toLowerCase()}` })));
  }

  #prepareTools() {
    const changed = () => { this.#writeAddress(); this.#arrange(); };
    this.filter.addEventListener("input", changed);
    this.language.addEventListener("change", () => { this.wantedLanguage = this.language.value; changed(); });
    this.orderSelect.addEventListener("change", () => { this.order = this.orderSelect.value; this.isReversed = false; changed(); });
    find("[data-attention]").addEventListener("click", () => { this.attention = !this.attention; changed(); });
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => { this.view = button.dataset.view; this.#writeAddress(); this.#showView(); });
    }
    find("[data-connection] button").addEventListener("click", () => this.live.retry());
    addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.filter.focus();
    });
  }

  #sortBy(order) {
    this.isReversed = this.order === order && !this.isReversed;
    this.order = order;
    this.#writeAddress();
    this.#arrange();
  }

  #take(changed, gone) {
    for (const row of changed) {
      const cells = this.#cells.get(row.call_id);
      if (cells && troubles(cells.row).length !== troubles(row).length) this.#reorderAt = 0;
      if (cells) cells.row = row;
    }
    for (const id of gone) this.#cells.delete(id);
    this.#changed = this.#changed ?? new Set();
    for (const row of changed) this.#changed.add(row.call_id);
    const isNew = gone.length > 0 || changed.some((row) => !this.#cells.has(row.call_id));
    if (isNew || this.filter.value || this.attention) this.#reorderAt = 0;
    this.#soon();
  }
  #changed = null;

  /** Show what has changed, once per frame. */
  #soon() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (performance.now() >= this.#reorderAt) this.#arrange();
      for (const id of this.#changed ?? []) {
        const row = this.live.calls.get(id);
        if (row && this.#visible.includes(id)) this.#cells.get(id)?.update(row);
      }
      this.#changed = null;
    });
  }

  /** Filter and sort, and put rows into their places. */
  #arrange() {
    this.#reorderAt = performance.now() + REORDER_MS;
    const all = [...this.live.calls.values()];
    const wanted = { text: this.filter.value, language: this.wantedLanguage, attention: this.attention };
    const passing = sorted(all.filter((row) => passes(row, wanted)), this.order, this.isReversed);
    const most = this.view === "wall" ? MOST_TILES : MOST_ROWS;
    const shown = passing.slice(0, most);
    this.#visible = shown.map((row) => row.call_id);
    const place = this.view === "wall" ? this.wall : this.body;
    arrange(place, shown.map((row) => this.#placed(row)));
    this.#showNumbers(all, passing, most);
  }

  #placed(row) {
    let cells = this.#cells.get(row.call_id);
    if (!cells) {
      cells = new CallCells(row);
      this.#cells.set(row.call_id, cells);
    }
    cells.update(row);
    return this.view === "wall" ? (cells.tile ??= makeTile(), fillTile(cells)) : (cells.line ??= makeLine(), fillLine(cells));
  }

  #showNumbers(all, passing, most) {
    const wrong = all.filter((row) => troubles(row).length).length;
    find("[data-count]").textContent = passing.length === all.length ? all.length || "" : `${passing.length} of ${all.length}`;
    find("[data-attention]").setAttribute("aria-pressed", String(this.attention));
    find("[data-attention] .count").textContent = wrong || "";
    find("[data-more]").hidden = passing.length <= most;
    find("[data-more]").textContent = `The first ${most} are shown. Filter to see others.`;
    for (const head of document.querySelectorAll("th[data-column]")) {
      const isChosen = head.dataset.column === this.order;
      const isText = ["who", "language"].includes(this.order);
      if (isChosen) head.setAttribute("aria-sort", isText !== this.isReversed ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    this.orderSelect.value = this.order;
    this.#showLanguages(all);
    this.#showEmpty(all.length, passing.length);
  }

  #showLanguages(all) {
    const known = [...new Set([...all.map((row) => row.language), this.wantedLanguage])].filter(Boolean).sort();
    if (this.language.dataset.known === known.join()) return;
    this.language.dataset.known = known.join();
    this.language.replaceChildren(element("option", { value: "", text: "All languages" }), ...known.map((one) => element("option", { value: one, text: one })));
    this.language.value = this.wantedLanguage;
  }

  #showEmpty(all, passing) {
    const place = find("[data-empty]");
    const isKnown = this.live.messages > 0;
    place.hidden = passing > 0 || !isKnown;
    find("[data-table]").hidden = this.view !== "table" || passing === 0;
    find("[data-wall]").hidden = this.view !== "wall" || passing === 0;
    const title = all ? "No call matches the filter" : "No call is in progress";
    if (place.hidden || place.dataset.shown === title) return;
    place.dataset.shown = title;
    const links = all ? [] : [element("p", {}, element("a", { href: "/connect", text: "Connect a phone system" }), " or ", element("a", { href: "/talk", text: "talk to it yourself" }), ".")];
    place.replaceChildren(icon(all ? "search" : "phone"), element("h2", { text: title }),
      element("p", { text: all ? `${all} calls are in progress.` : "Calls appear here when they begin." }), ...links);
  }

  #showView() {
    for (const button of document.querySelectorAll("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === this.view));
    find("[data-order]").classList.toggle("off", this.view !== "wall");
    document.body.classList.toggle("is-wall", this.view === "wall");
    this.#arrange();
  }

  #showState(state) {
    if (state.kind === "refused" && state.error.isUnauthorised) askForKey();
    const [text, tone] = { live: ["Live", "live good"], connecting: ["Connecting", ""], waiting: ["Disconnected", "warn"],
      refused: ["Not permitted", "bad"] }[state.kind];
    find("[data-status]").textContent = text;
    find("[data-status]").className = `chip ${tone}`;
    const notice = find("[data-connection]");
    notice.hidden = !["waiting", "refused"].includes(state.kind);
    notice.querySelector("span").textContent = state.kind === "refused" ? state.error.message : "The connection to the server was lost. What you see may be old.";
    document.body.classList.toggle("stale", state.kind === "waiting");
  }

  #tick() {
    const now = Date.now();
    for (const id of this.#visible) this.#cells.get(id)?.tick(now);
  }
}

/** Give `place` exactly these children in this order, moving only those that are not in place. */
function arrange(place, wanted) {
  let at = place.firstChild;
  for (const one of wanted) {
    if (one === at) at = at.nextSibling;
    else place.insertBefore(one, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function makeLine() {
  return element("tr");
}

function fillLine(cells) {
  const { line } = cells;
  if (!line.firstChild || cells.arranged !== "line") {
    cells.arranged = "line";
    line.replaceChildren(
      element("th", { scope: "row", class: "c-who" }, cells.name, cells.about),
      element("td", { class: "c-since" }, cells.since),
      element("td", { class: "c-language" }, cells.language),
      element("td", { class: "c-words" }, element("div", { class: "words-line" }, cells.speaker, cells.words)),
      element("td", { class: "c-talk" }, cells.talk),
      element("td", { class: "c-keywords" }, cells.keywords),
      element("td", { class: "c-trouble" }, cells.troubles));
  }
  return line;
}

function makeTile() {
  return element("li", { class: "tile card" });
}

function fillTile(cells) {
  const { tile } = cells;
  tile.classList.toggle("attention", troubles(cells.row).length > 0);
  tile.classList.toggle("over", Boolean(cells.row.ended));
  if (!tile.firstChild || cells.arranged !== "tile") {
    cells.arranged = "tile";
    tile.replaceChildren(
      element("div", { class: "tile-head" }, cells.name, cells.since),
      cells.about,
      element("div", { class: "tile-words" }, cells.speaker, cells.words),
      cells.talk,
      element("div", { class: "tile-chips" }, cells.troubles, cells.keywords));
  }
  return tile;
}

startShell();
await requireSession();
const page = new LivePage(new Api());
page.start();
globalThis.trunklineLive = page.live;      // read by the benchmark
