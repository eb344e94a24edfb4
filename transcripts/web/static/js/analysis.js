// What a language model has answered about the call: beside the transcript, once it is there.

import { element, said } from "./text.js";

const LOOK_MS = 5_000;
const MOST_LOOKS = 24;

export class AnalysisPanel {
  #place; #api; #path; #looks = 0; #isWanted = false;

  /** `place`: hidden until there is something to show. */
  constructor(place, api, callId) {
    this.#place = place;
    this.#api = api;
    this.#path = `/v1/calls/${encodeURIComponent(callId)}/analysis`;
  }

  /** The call is over: look for the answer, for two minutes. */
  show() {
    if (this.#isWanted) return;
    this.#isWanted = true;
    this.#look();
  }

  async #look() {
    const found = await this.#api.json(this.#path).catch(() => null);
    if (found) this.#fill(found);
    const isOpen = !found || found.state === "waiting" || found.state === "running";
    this.#looks += 1;
    if (isOpen && this.#looks < MOST_LOOKS) setTimeout(() => this.#look(), LOOK_MS);
  }

  #fill({ state, reason, result }) {
    this.#place.hidden = state === "skipped" && !result;
    const inside = this.#place.querySelector(".inside");
    inside.replaceChildren(...(result ? answers(result) : [element("p", { class: "muted", text: STATES[state] ?? "" })]));
    if (reason && state !== "done") inside.append(element("p", { class: "muted small", text: reason }));
  }
}

const STATES = { waiting: "The summary is being written.", running: "The summary is being written.",
  failed: "There is no summary: the model did not answer." };

function answers(result) {
  const items = result.action_items.map((one) => element("li", {}, said(one.text), element("span", { class: "muted", text: ` · ${one.owner}` })));
  const facts = [["Outcome", words(result.disposition)], ...Object.entries(result.answers).map(([name, value]) => [words(name), shown(value)])];
  const parts = [element("p", {}, said(result.summary))];
  if (items.length) parts.push(element("h3", { text: "To do" }), element("ul", {}, ...items));
  parts.push(element("dl", { class: "facts-list" }, ...facts.flatMap(([name, value]) => [element("dt", { text: name }), element("dd", {}, said(value))])));
  const read = result.segments_read < result.segments ? ` It read ${result.segments_read} of ${result.segments} segments.` : "";
  parts.push(element("p", { class: "muted small", text: `Written by ${result.model}; it may be wrong.${read}` }));
  return parts;
}

function words(name) {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function shown(value) {
  if (value === null) return "Not said";
  return typeof value === "boolean" ? (value ? "Yes" : "No") : String(value);
}
