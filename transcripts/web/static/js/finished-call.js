// What the page of a call has once it is over: timeline, player, downloads, and the segment that a search found.

import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { element, icon } from "./text.js";

const FORMS = [["txt", "Text"], ["srt", "SRT"], ["vtt", "WebVTT"], ["json", "JSON"], ["csv", "CSV"],
  ["md", "Markdown"], ["ctm", "CTM"], ["stm", "STM"]];

/**
 * `places`: `{timeline, player, downloads, button}`, hidden until the call is over.
 *
 * A timeline that appears moves the text.  So it is shown at once only if the call was over when the page was opened;
 * to a reader who was there when it ended, a button is offered.
 */
export class FinishedCall {
  #places; #transcript; #view; #timeline = null; #shown = 0; #sought = false; #isWanted = false;

  constructor(places, api, callId, transcript, view) {
    this.#places = places;
    this.#transcript = transcript;
    this.#view = view;
    const path = `/v1/calls/${encodeURIComponent(callId)}`;
    this.player = new Player(places.player, view.scroller, api, `${path}/audio`, transcript, view, (ms) => this.#timeline?.play(ms));
    places.button.addEventListener("click", () => this.open());
    places.downloads.querySelector("ul").replaceChildren(...FORMS.map(([form, name]) => element("li", {},
      element("a", { class: "button", href: `${path}/transcript.${form}`, download: `${callId.replace(/[^\w.-]/g, "_")}.${form}` }, icon("down"), name))));
  }

  /** Show the timeline from now on, once the call is over, with the player if audio was kept. */
  async open() {
    await this.player.find();
    this.#isWanted = true;
    this.show();
  }

  /** Show what belongs to the end of the call.  Call it after each change of the transcript. */
  show() {
    this.#seekFound();
    const { ended, rows } = this.#transcript;
    this.#places.downloads.hidden = !ended;
    const isPicture = Boolean(ended) && rows.some((row) => row.kind === "segment");
    this.#places.button.hidden = !isPicture || this.#isWanted;
    this.#places.timeline.hidden = !isPicture || !this.#isWanted;
    if (this.#places.timeline.hidden || this.#shown === rows.length) return;
    this.#shown = rows.length;
    this.#timeline ??= new Timeline(this.#places.timeline, (row, ms) => {
      this.#view.show(row.key);
      this.player.seek(ms);
    });
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
