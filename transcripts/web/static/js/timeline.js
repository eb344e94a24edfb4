// The picture of a call: who spoke when, overlaps, silence, latency of each final, marks.  It is also the navigation.

import { latencyOf, silences, spokenRows, summary, together } from "./talk-times.js";
import { clock, duration, element, roleName } from "./text.js";

const LANE = 24;
const MARKS = 16;
const LATENCY = 22;
const AXIS = 18;
const MOST_LATENCY = 2_000;      // ms at the top of the latency lane
const SNAP_PX = 6;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600];

/**
 * `onSeek(row, ms)` is called when the reader chooses a place: the segment or mark that is there, or next to it, and
 * the time of the place itself.
 */
export class Timeline {
  #place; #onSeek; #rows = []; #segments = []; #duration = 0; #at = 0; #channels = [];

  constructor(place, onSeek) {
    this.#place = place;
    this.#onSeek = onSeek;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.labels = element("div", { class: "timeline-labels", "aria-hidden": "true" });
    this.cursor = element("div", { class: "timeline-cursor", hidden: true, "aria-hidden": "true" });
    this.hint = element("div", { class: "timeline-hint small", hidden: true, "aria-hidden": "true" });
    this.slider = element("div", { class: "timeline-picture", role: "slider", tabindex: "0", "aria-label": "Position in the call",
      onkeydown: (event) => this.#key(event), onclick: (event) => this.#seek(event),
      onpointermove: (event) => this.#point(event), onpointerleave: () => { this.hint.hidden = true; } }, this.canvas, this.cursor, this.hint);
    this.words = element("p", { class: "muted small timeline-words" });
    place.append(element("div", { class: "timeline-body" }, this.labels, this.slider), this.words);
    new ResizeObserver(() => this.#draw()).observe(this.slider);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    new MutationObserver(() => this.#draw()).observe(document.documentElement, { attributeFilter: ["data-theme", "data-contrast"] });
  }

  /** Show the rows of a transcript.  `length`: of the call in ms. */
  show(rows, length) {
    this.#rows = rows.filter((row) => row.kind !== "segment" || row.state !== "open");
    this.#segments = spokenRows(rows);
    this.#duration = Math.max(length, 1, ...this.#segments.slice(-8).map((row) => row.end));
    const channels = new Map(this.#segments.map((row) => [row.channel, row.role]));
    this.#channels = [...channels].sort(([one], [other]) => one - other);
    this.labels.replaceChildren(element("span", { class: "for-marks", text: "Marks" }),
      ...this.#channels.map(([, role]) => element("span", { class: role, text: roleName(role) })), element("span", { class: "for-latency", text: "Latency" }));
    this.words.textContent = sentence(summary(rows, length));
    this.#mark(0);
    this.#draw();
  }

  /** Show where the audio is played. */
  play(ms) {
    this.cursor.hidden = false;
    this.cursor.style.left = `${this.#x(Math.min(ms, this.#duration))}px`;
  }

  get #height() {
    return MARKS + this.#channels.length * LANE + LATENCY + AXIS;
  }

  #x(ms) {
    return (ms / this.#duration) * this.slider.clientWidth;
  }

  #draw() {
    const width = this.slider.clientWidth;
    if (!width || !this.#channels.length) return;
    const scale = Math.min(3, devicePixelRatio || 1);
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(this.#height * scale);
    this.canvas.style.height = `${this.#height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.canvas);
    const colour = (name) => resolved(style, name);
    this.#drawLanes(pen, width, colour);
    this.#drawSpeech(pen, colour);
    this.#drawLatency(pen, colour);
    this.#drawMarks(pen, colour);
    this.#drawAxis(pen, width, colour);
  }

  #drawLanes(pen, width, colour) {
    pen.fillStyle = colour("--sunken");
    this.#channels.forEach((_, lane) => pen.fillRect(0, MARKS + lane * LANE + 2, width, LANE - 4));
    pen.fillStyle = colour("--line");
    const height = this.#channels.length * LANE;
    for (const [from, to] of silences(this.#segments)) {      // hatched
      for (let x = this.#x(from); x < this.#x(to); x += 4) pen.fillRect(x, MARKS + 2, 1, height - 4);
    }
    for (const row of this.#rows.filter((one) => one.kind === "gap")) {
      pen.fillStyle = colour(row.account === "paused" ? "--line-2" : "--warn");
      pen.globalAlpha = 0.35;
      pen.fillRect(this.#x(row.at), MARKS, Math.max(2, this.#x(row.end) - this.#x(row.at)), height);
      pen.globalAlpha = 1;
    }
  }

  #drawSpeech(pen, colour) {
    const lanes = new Map(this.#channels.map(([channel], lane) => [channel, lane]));
    for (const row of this.#segments) {
      const isLost = row.state !== "final";
      pen.fillStyle = colour(isLost ? "--line-2" : `--${row.role}`);
      pen.fillRect(this.#x(row.at), MARKS + lanes.get(row.channel) * LANE + 2, Math.max(1.5, this.#x(row.end) - this.#x(row.at) - 0.5), LANE - 4);
    }
    pen.fillStyle = colour("--bad");
    for (const [from, to] of together(this.#segments, 2)) {
      for (let lane = 1; lane < this.#channels.length; lane += 1) pen.fillRect(this.#x(from), MARKS + lane * LANE - 2, Math.max(2, this.#x(to) - this.#x(from)), 4);
    }
  }

  #drawLatency(pen, colour) {
    const bottom = MARKS + this.#channels.length * LANE + LATENCY;
    pen.fillStyle = colour("--line");
    pen.fillRect(0, bottom - 0.5, this.slider.clientWidth, 1);
    for (const row of this.#segments) {
      const ms = latencyOf(row);
      if (ms === null) continue;
      pen.fillStyle = colour(ms > 1_000 ? "--bad" : ms > 500 ? "--warn" : "--good");
      const height = Math.max(2, Math.min(1, ms / MOST_LATENCY) * (LATENCY - 4));
      pen.fillRect(this.#x(row.end) - 1, bottom - height, 2, height);
    }
  }

  #drawMarks(pen, colour) {
    for (const row of this.#marks()) {
      pen.fillStyle = colour(MARK_COLOURS[row.kind]);
      const x = this.#x(row.at);
      pen.beginPath();
      pen.moveTo(x - 4.5, 3);
      pen.lineTo(x + 4.5, 3);
      pen.lineTo(x, MARKS - 2);
      pen.fill();
    }
  }

  #marks() {
    return this.#rows.filter((row) => row.kind in MARK_COLOURS);
  }

  #drawAxis(pen, width, colour) {
    const seconds = this.#duration / 1_000;
    const step = STEPS.find((one) => (one / seconds) * width > 70) ?? STEPS.at(-1);
    pen.fillStyle = colour("--ink-3");
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    for (let at = 0; at < seconds; at += step) {
      const x = this.#x(at * 1_000);
      pen.fillRect(x, this.#height - AXIS, 1, 4);
      if (x < width - 40) pen.fillText(clock(at * 1_000), x + 3, this.#height - 4);
    }
    pen.fillStyle = colour("--accent");
    pen.fillRect(this.#x(this.#at) - 1, 0, 2, this.#height - AXIS);
  }

  /** The row at a place of the picture: a mark near it, else the segment there or the next one. */
  #rowAt(event) {
    const { top } = this.slider.getBoundingClientRect();
    const ms = this.#msAt(event);
    const near = (SNAP_PX / this.slider.clientWidth) * this.#duration;
    if (event.clientY - top < MARKS) {
      const mark = this.#marks().find((row) => Math.abs(row.at - ms) <= near);
      if (mark) return mark;
    }
    const lane = Math.floor((event.clientY - top - MARKS) / LANE);
    const channel = this.#channels[lane]?.[0];
    const there = this.#segments.filter((row) => row.at <= ms + near && row.end >= ms - near);
    return there.find((row) => row.channel === channel) ?? there[0]
      ?? this.#segments.find((row) => row.at >= ms) ?? this.#segments.at(-1);
  }

  #msAt(event) {
    const { left } = this.slider.getBoundingClientRect();
    return Math.max(0, ((event.clientX - left) / this.slider.clientWidth) * this.#duration);
  }

  #seek(event) {
    this.#go(this.#rowAt(event), this.#msAt(event));
  }

  #go(row, ms = row?.at) {
    if (!row) return;
    this.#mark(row.at);
    this.#onSeek(row, ms);
    this.#draw();
  }

  #mark(ms) {
    this.#at = ms;
    const row = this.#segments.find((one) => one.at <= ms && one.end >= ms);
    this.slider.setAttribute("aria-valuemin", "0");
    this.slider.setAttribute("aria-valuemax", String(Math.round(this.#duration / 1_000)));
    this.slider.setAttribute("aria-valuenow", String(Math.round(ms / 1_000)));
    this.slider.setAttribute("aria-valuetext", row ? `${clock(ms)}, ${words(row)}` : clock(ms));
  }

  #key(event) {
    const place = this.#segments.findLastIndex((row) => row.at <= this.#at);
    const wanted = { ArrowRight: place + 1, ArrowUp: place + 1, ArrowLeft: place - 1, ArrowDown: place - 1, PageDown: place + 10, PageUp: place - 10,
      Home: 0, End: this.#segments.length - 1, Enter: place, " ": place }[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    const row = this.#segments[Math.max(0, Math.min(this.#segments.length - 1, wanted))];
    if (event.key === "Enter" || event.key === " ") return this.#go(row);
    this.#mark(row?.at ?? 0);
    this.#draw();
  }

  #point(event) {
    const row = this.#rowAt(event);
    this.hint.hidden = !row;
    if (!row) return;
    this.hint.textContent = `${clock(row.at)}  ${words(row)}`;
    const { left } = this.slider.getBoundingClientRect();
    this.hint.style.left = `${Math.max(0, Math.min(this.slider.clientWidth - 280, event.clientX - left - 140))}px`;
  }
}

const MARK_COLOURS = { dtmf: "--ink-2", line: "--bad", load: "--warn", gap: "--warn", card: "--accent", warning: "--warn", keywords: "--ink-3" };
const MARK_NAMES = { dtmf: "Key pressed", line: "Fault of the line", load: "Server load", gap: "Audio missing", card: "Card", warning: "Bridge", keywords: "Keywords changed" };

function words(row) {
  if (row.kind !== "segment") return row.title ? `${MARK_NAMES[row.kind]}: ${row.title}` : MARK_NAMES[row.kind];
  const ms = latencyOf(row);
  return `${roleName(row.role)}: ${row.text || "no text"}${ms === null ? "" : ` (after ${ms} ms)`}`;
}

/** The summary of a call as sentences. */
export function sentence({ roles, duration: length, both, silence, longest, median, high }) {
  if (!length) return "";
  const share = (ms) => `${Math.round((100 * ms) / length)} %`;
  const parts = Object.entries(roles).map(([role, ms]) => `${roleName(role)} ${share(ms)}`);
  parts.push(`both at once ${share(both)}`, `silence ${share(silence)}${longest[1] ? ` (longest ${duration(longest[1] - longest[0])} at ${clock(longest[0])})` : ""}`);
  const late = median === null ? "" : ` Finals came ${median} ms (median) and ${high} ms (95th percentile) after the end of their segment.`;
  return `${parts.join(", ")}.${late}`;
}

/** The colour of a custom property as the canvas takes it: `light-dark()` is resolved by an element. */
function resolved(style, name) {
  const probe = resolved.probe ??= document.body.appendChild(element("span", { hidden: true }));
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}
