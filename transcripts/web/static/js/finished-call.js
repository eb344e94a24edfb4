// What the page of a call has once the call is over: the timeline, the downloads, and the segment that a search found.

import { Timeline } from "./timeline.js";
import { element, icon } from "./text.js";

const FORMS = [["txt", "Text"], ["srt", "SRT"], ["vtt", "WebVTT"], ["json", "JSON"], ["csv", "CSV"],
  ["md", "Markdown"], ["ctm", "CTM"], ["stm", "STM"]];

/** `places`: `{timeline, downloads}`, hidden until the call is over. */
export class FinishedCall {
  #places; #transcript; #view; #timeline = null; #shown = 0; #sought = false;

  constructor(places, callId, transcript, view) {
    this.#places = places;
    this.#transcript = transcript;
    this.#view = view;
    const path = `/v1/calls/${encodeURIComponent(callId)}`;
    places.downloads.querySelector("ul").replaceChildren(...FORMS.map(([form, name]) => element("li", {},
      element("a", { class: "button", href: `${path}/transcript.${form}`, download: `${callId.replace(/[^\w.-]/g, "_")}.${form}` }, icon("down"), name))));
  }

  /** Show what belongs to the end of the call.  Call it after each change of the transcript. */
  show() {
    this.#seekFound();
    const { ended, rows } = this.#transcript;
    this.#places.downloads.hidden = !ended;
    const isPicture = Boolean(ended) && rows.some((row) => row.kind === "segment");
    this.#places.timeline.hidden = !isPicture;
    if (!isPicture || this.#shown === rows.length) return;
    this.#shown = rows.length;
    this.#timeline ??= new Timeline(this.#places.timeline, (row) => this.#view.show(row.key));
    this.#timeline.show(rows, ended.duration_ms);
  }

  /** Scroll to the segment in the address: `#segment=0-3`. */
  #seekFound() {
    const id = new URLSearchParams(location.hash.slice(1)).get("segment");
    if (this.#sought || !id) return;
    const row = this.#transcript.rows.find((one) => one.kind === "segment" && one.id === id);
    if (!row) return;
    this.#sought = true;
    requestAnimationFrame(() => this.#view.show(row.key));
  }
}
