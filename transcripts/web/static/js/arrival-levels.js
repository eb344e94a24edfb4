// How loud the audio of a call is, on each channel, measured once a second: GET /v1/calls/{id}/levels.

import { duration, element, roleName } from "./text.js";

const EVERY_MS = 1_000;
const SILENT_DBFS = -80;
const QUIET_DBFS = -45;
const LOUD_DBFS = -1;

/** What a level means for the operator of a phone system.  `loudest`: in dBFS, null before the first measurement. */
export function verdict(loudest) {
  if (loudest === null) return { tone: "", text: "measuring" };
  if (loudest < SILENT_DBFS) return { tone: "warn", text: "digital silence: nothing but zeros arrives" };
  if (loudest < QUIET_DBFS) return { tone: "warn", text: "very quiet" };
  if (loudest > LOUD_DBFS) return { tone: "warn", text: "at full scale: it may be clipped" };
  return { tone: "good", text: "a normal level" };
}

/** Shows the levels of one call in `place` while it is in progress.  Not part of a live region: it changes each second. */
export class ArrivalLevels {
  #place; #api; #callId = null; #roles = []; #timer = null;

  constructor(place, api) {
    this.#place = place;
    this.#api = api;
  }

  /** Measure this call from now on; null: none. */
  watch(callId, roles = []) {
    if (callId === this.#callId) return;
    clearTimeout(this.#timer);
    this.#callId = callId;
    this.#roles = roles;
    this.#place.replaceChildren();
    if (callId !== null) this.#measure(callId);
  }

  async #measure(callId) {
    try {
      const { channels } = await this.#api.json(`/v1/calls/${encodeURIComponent(callId)}/levels`);
      if (callId === this.#callId) this.#show(channels);
    } catch (error) {
      if (error.status >= 400 && error.status < 500) return;      // the call is over: the last levels stay
    }
    if (callId === this.#callId) this.#timer = setTimeout(() => this.#measure(callId), EVERY_MS);
  }

  #show(channels) {
    if (this.#place.childElementCount !== channels.length) {
      this.#place.replaceChildren(...channels.map((_, number) => this.#line(number)));
    }
    channels.forEach((channel, number) => this.#fill(this.#place.children[number], channel));
  }

  #line(number) {
    const name = roleName(this.#roles[number] ?? "mixed");
    return element("li", {}, element("span", { class: "channel", text: `Channel ${number} · ${name}` }),
      element("meter", { min: "-60", max: "0", low: String(QUIET_DBFS), high: String(LOUD_DBFS), optimum: "-20", "aria-label": `Level of ${name}` }),
      element("span", { class: "numbers small" }), element("span", { class: "chip" }));
  }

  #fill(line, { received_ms: received, level_dbfs: level, loudest_dbfs: loudest }) {
    const [meter, numbers, chip] = [...line.children].slice(1);
    const { tone, text } = verdict(loudest);
    meter.value = level ?? -60;
    numbers.textContent = loudest === null ? duration(received) : `${decibels(level)} now, ${decibels(loudest)} at most · ${duration(received)}`;
    chip.textContent = text;
    chip.className = `chip ${tone}`;
  }
}

function decibels(value) {
  return `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(0)} dBFS`;
}
