// The panels beside the transcript: keywords, bookmarks, facts.

import { plainText } from "./row.js";
import { audioFormat, clock, element, icon, roleName, said } from "./text.js";

const REPLY_MS = 5_000;
const MOST_SHOWN = 200;

/** The keyword list of the call: heard ones are ticked, and a term is added by one click. */
export class KeywordsPanel {
  #place; #api; #path; #transcript; #canChange;
  #pending = null;

  constructor(place, api, callId, transcript, canChange) {
    this.#place = place;
    this.#api = api;
    this.#path = `/v1/calls/${encodeURIComponent(callId)}/keywords`;
    this.#transcript = transcript;
    this.#canChange = canChange;
    const form = place.querySelector("form");
    form.hidden = !canChange;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(form.elements.term.value);
      form.reset();
    });
    this.#show();
  }

  /** Bring the list up to date after events. */
  take(events) {
    const types = new Set(events.map((event) => event.type));
    if (types.has("keywords.applied") || types.has("segment.final") || types.has("segment.revised") || types.has("call.ended")) this.#show();
    for (const event of events) {
      if (event.type === "keywords.applied" && event.keywords_rev >= (this.#pending?.revision ?? Infinity)) this.#confirmed();
    }
  }

  /** Add a term to the list of the call. */
  add(term) {
    const wanted = term.trim().replace(/\s+/g, " ");
    const known = this.#transcript.keywords.accepted;
    if (!wanted) return;
    if (known.some((one) => one.toLowerCase() === wanted.toLowerCase())) this.#say(`“${wanted}” is in the list already.`);
    else this.#replace([...known, wanted], `“${wanted}”`);
  }

  #remove(term) {
    this.#replace(this.#transcript.keywords.accepted.filter((one) => one !== term), `Without “${term}”`);
  }

  async #replace(terms, what) {
    const began = performance.now();
    this.#say(`${what}: sent …`);
    try {
      const reply = await this.#api.json(this.#path, { method: "PUT", body: { keywords: terms }, signal: AbortSignal.timeout(REPLY_MS) });
      const refused = reply.rejected.filter((one) => !this.#transcript.keywords.rejected.includes(one));
      if (refused.length) return this.#say(`Not accepted: ${refused.join("; ")}`, "bad");
      const ms = Math.max(1, Math.round(performance.now() - began));
      this.#pending = { revision: reply.keywords_rev, text: `${what}: in use since ${ms} ms after the click (list ${reply.keywords_rev}).` };
      if (this.#transcript.keywords.revision >= reply.keywords_rev) this.#confirmed();
    } catch (error) {
      this.#say(error.name === "TimeoutError" ? "The gateway did not answer. Try again." : error.message, "bad");
    }
  }

  #confirmed() {
    this.#say(this.#pending.text, "good");
    this.#pending = null;
  }

  #say(text, tone = "") {
    const state = this.#place.querySelector(".state");
    state.textContent = text;
    state.className = `state ${tone}`;
  }

  #show() {
    const heard = this.#transcript.heard();
    const terms = this.#transcript.keywords.accepted;
    const found = terms.filter((term) => heard.has(term)).length;
    this.#place.querySelector(".count").textContent = terms.length ? `${found} of ${terms.length} heard` : "";
    const shown = terms.length > MOST_SHOWN ? [...terms.filter((term) => heard.has(term)), ...terms.filter((term) => !heard.has(term))] : terms;
    const lines = shown.slice(0, MOST_SHOWN).map((term) => this.#term(term, heard.get(term) ?? 0));
    if (terms.length > MOST_SHOWN) lines.push(element("li", { text: `and ${terms.length - MOST_SHOWN} more` }));
    this.#place.querySelector(".terms").replaceChildren(...lines);
    for (const field of this.#place.querySelector("form").elements) field.disabled = Boolean(this.#transcript.ended);
  }

  #term(term, times) {
    const tick = element("span", { class: "tick" }, ...(times ? [icon("check")] : []));
    const line = element("li", { class: times ? "heard" : "" }, tick, said(term),
      element("span", { class: "visually-hidden", text: times ? "heard" : "not heard yet" }));
    if (times) line.append(element("span", { class: "times", text: `${times}×` }));
    if (this.#canChange && !this.#transcript.ended) {
      line.append(element("button", { class: "quiet icon", type: "button", "aria-label": `Remove ${term}`,
        onclick: () => this.#remove(term) }, icon("close")));
    }
    return line;
  }

  /** Offer a button above words that the reader selects: one click makes them a keyword. */
  offerSelection(scroller) {
    if (!this.#canChange) return;
    const button = element("button", { class: "primary add-term", type: "button", hidden: true });
    document.body.append(button);
    button.addEventListener("pointerdown", (event) => event.preventDefault());   // keeps the selection
    button.addEventListener("click", () => {
      this.add(button.dataset.term);
      document.getSelection().empty();
    });
    document.addEventListener("selectionchange", () => {
      const selection = document.getSelection();
      const term = selection.toString().trim().replace(/[\s.,;:!?]+$/u, "");
      const isTerm = term && term.length <= 64 && !term.includes("\n") && scroller.contains(selection.anchorNode);
      button.hidden = !isTerm || Boolean(this.#transcript.ended);
      if (button.hidden) return;
      const box = selection.getRangeAt(0).getBoundingClientRect();
      button.dataset.term = term;
      button.replaceChildren(icon("plus"), element("span", { class: "said", text: `Keyword “${term}”` }));
      button.style.left = `${box.left + box.width / 2}px`;
      button.style.top = `${Math.max(60, box.top)}px`;
    });
  }
}

/** Rows that the reader has marked, kept in this browser: segment ids, no text. */
export class BookmarksPanel {
  #place; #key; #transcript; #view; #marked; #shown = "";

  constructor(place, callId, transcript, view) {
    this.#place = place;
    this.#key = `trunkline.bookmarks.${callId}`;
    this.#transcript = transcript;
    this.#view = view;
    this.#marked = new Set(this.#stored());
  }

  #stored() {
    try {
      const found = JSON.parse(localStorage.getItem(this.#key) ?? "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  toggle(row) {
    if (!this.#marked.delete(row.key)) this.#marked.add(row.key);
    try {
      if (this.#marked.size) localStorage.setItem(this.#key, JSON.stringify([...this.#marked]));
      else localStorage.removeItem(this.#key);
    } catch { /* storage is blocked: the marks last as long as the page */ }
    this.show();
  }

  show() {
    const rows = [...this.#marked].map((key) => this.#transcript.row(key)).filter(Boolean).sort((one, other) => one.at - other.at);
    const state = JSON.stringify(rows.map((row) => [row.key, row.text]));
    if (state === this.#shown) return;
    this.#shown = state;
    this.#place.querySelector(".count").textContent = rows.length || "";
    this.#place.querySelector(".marks").replaceChildren(...rows.map((row) => element("li", {}, element("button",
      { class: "quiet said", type: "button", dir: "auto", text: plainText(row), onclick: () => this.#view.show(row.key) }))));
    for (const marked of document.querySelectorAll(".segment.marked")) {
      if (!this.#marked.has(marked.dataset.key)) marked.classList.remove("marked");
    }
    for (const row of rows) this.#view.element(row.key)?.classList.add("marked");
  }
}

/** When the call began, who takes part, how it arrived. */
export class FactsPanel {
  #place; #transcript; #shown = "";

  constructor(place, transcript) {
    this.#place = place;
    this.#transcript = transcript;
  }

  show() {
    const { call, ended } = this.#transcript;
    const facts = call ? [
      ["Began", new Date(call.started_at * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })],
      ["Speakers", (call.roles ?? []).map(roleName).join(", ")],
      ["Language", call.language],
      ["Phone system", call.dialect],
      ["Audio", audioFormat(call)],
      ["Its call id", call.bridge_call_id],
      ["Length", ended && clock(ended.duration_ms)],
      ["Ended by", ended?.reason],
    ].filter(([, value]) => value) : [];
    if (JSON.stringify(facts) === this.#shown) return;
    this.#shown = JSON.stringify(facts);
    this.#place.replaceChildren(...facts.flatMap(([name, value]) =>
      [element("dt", { text: name }), element("dd", { class: "said", dir: "auto", text: value })]));
  }
}
