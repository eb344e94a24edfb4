// The player of kept audio.  A click on a word goes to its time; the word that is spoken is coloured.

import { offsetAt, rangeIn, spokenAt, wordAt } from "./spoken-words.js";
import { clock, element, icon } from "./text.js";

const SKIP_MS = 5_000;
const RETRY_MS = 3_000;          // the audio is finished some seconds after the end of the call
const MOST_RETRIES = 100;
const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
const HAS_HIGHLIGHTS = typeof Highlight === "function" && "highlights" in CSS;

/** `onTime(ms)` is called while the audio is played, and after each jump. */
export class Player {
  #place; #api; #path; #transcript; #view; #onTime;
  #audio = null; #parts = {}; #shown = null; #isMoving = false;

  constructor(place, scroller, api, path, transcript, view, onTime) {
    this.#place = place;
    this.#api = api;
    this.#path = path;
    this.#transcript = transcript;
    this.#view = view;
    this.#onTime = onTime;
    scroller.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Look whether the call has audio, and show the player if so.  Audio that is not finished yet is waited for. */
  async find(tries = 0) {
    if (this.#audio) return;
    const isThere = await this.#isThere();
    const isExpected = this.#transcript.isAudioKept && tries < MOST_RETRIES;
    this.#place.hidden = !isThere && !isExpected;
    if (isThere) this.#build();
    else if (isExpected) {
      this.#place.replaceChildren(element("p", { class: "muted small", role: "status", text: "The audio is being prepared." }));
      setTimeout(() => this.find(tries + 1), RETRY_MS);
    }
  }

  async #isThere() {
    try {
      await this.#api.send(this.#path, { method: "HEAD" });
      return true;
    } catch {
      return false;
    }
  }

  /** Play, or pause. */
  toggle() {
    if (!this.#audio) return;
    if (this.#audio.paused) this.#audio.play().catch(() => this.#fail());
    else this.#audio.pause();
  }

  /** Go to a time of the call. */
  seek(ms) {
    if (!this.#audio) return;
    this.#audio.currentTime = Math.max(0, ms) / 1_000;
    this.#show();
  }

  /** Go `ms` forward, or back if it is negative. */
  skip(ms) {
    if (this.#audio) this.seek(this.#now + ms);
  }

  /** Play from the beginning of a row on. */
  playRow(key) {
    const row = this.#transcript.row(key);
    if (!this.#audio || !row) return;
    this.seek(row.at);
    if (this.#audio.paused) this.toggle();
  }

  get #now() {
    return this.#audio.currentTime * 1_000;
  }

  get #length() {
    return this.#transcript.ended?.duration_ms ?? 0;
  }

  #build() {
    const button = (name, label, act) => element("button", { class: "quiet icon", type: "button", "aria-label": label, title: label, onclick: act }, icon(name));
    this.#audio = element("audio", { preload: "metadata", src: this.#path });
    const play = button("play", "Play", () => this.toggle());
    const position = element("input", { type: "range", min: "0", value: "0", step: "100", "aria-label": "Position in the audio",
      oninput: () => this.seek(Number(position.value)) });
    const time = element("span", { class: "numbers small" });
    const speed = element("select", { "aria-label": "Speed", onchange: () => { this.#audio.playbackRate = Number(speed.value); } },
      ...SPEEDS.map((one) => element("option", { value: String(one), selected: one === 1, text: `${one}×` })));
    this.#parts = { play, position, time };
    this.#place.replaceChildren(play, button("back", "Back 5 s", () => this.skip(-SKIP_MS)),
      button("forward", "Forward 5 s", () => this.skip(SKIP_MS)), position, time, speed, this.#audio);
    this.#place.closest("body").classList.add("with-audio");
    for (const name of ["play", "pause", "ended"]) this.#audio.addEventListener(name, () => this.#changed());
    for (const name of ["seeked", "timeupdate"]) this.#audio.addEventListener(name, () => this.#show());
    this.#audio.addEventListener("error", () => this.#fail());
    this.#show();
  }

  #changed() {
    const label = this.#audio.paused ? "Play" : "Pause";
    this.#parts.play.replaceChildren(icon(label.toLowerCase()));
    this.#parts.play.setAttribute("aria-label", label);
    this.#parts.play.title = label;
    if (!this.#audio.paused && !this.#isMoving) this.#move();
  }

  /** Follow the words more often than `timeupdate` comes, four times a second. */
  #move() {
    this.#isMoving = !this.#audio.paused;
    if (!this.#isMoving) return;
    this.#show();
    requestAnimationFrame(() => this.#move());
  }

  #show() {
    const { position, time } = this.#parts;
    const now = this.#now;
    if (Number(position.max) !== this.#length) position.max = String(this.#length);
    position.value = String(now);
    const said = `${clock(now)} / ${clock(this.#length)}`;
    if (time.textContent !== said) {
      time.textContent = said;
      position.setAttribute("aria-valuetext", `${clock(now)} of ${clock(this.#length)}`);
    }
    this.#onTime(now);
    this.#colour(now);
  }

  #colour(now) {
    const spoken = spokenAt(this.#transcript.rows, now);
    const name = spoken.map(({ row, word }) => `${row.key} ${word.start}`).join();
    if (name === this.#shown) return;
    this.#shown = name;
    if (HAS_HIGHLIGHTS) {
      const ranges = spoken.map(({ row, word }) => rangeIn(this.#words(row), word.start, word.end));
      CSS.highlights.set("playing", new Highlight(...ranges.filter(Boolean)));
    }
    if (!this.#audio.paused && spoken.length) this.#view.reveal(spoken.at(-1).row.key);
  }

  #words(row) {
    return this.#view.element(row.key).querySelector(".words");
  }

  #clicked(event) {
    const words = event.target.closest?.(".segment.final .words");
    if (!this.#audio || !words || !getSelection().isCollapsed) return;
    const row = this.#transcript.row(words.closest("[data-key]").dataset.key);
    const offset = offsetAt(words, event.clientX, event.clientY);
    const word = offset === null ? null : wordAt(row, offset);
    if (word) this.seek(word.ms);
  }

  #fail() {
    const text = "The audio cannot be played. It may have been deleted: reload the page.";
    this.#place.replaceChildren(element("p", { class: "small", role: "alert", text }));
    this.#audio = null;
  }
}
