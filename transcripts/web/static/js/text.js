// Makes elements from untrusted text.  Nothing here, and nothing on any page, parses text as HTML.

/** Make an element.  `attributes`: `class`, `text`, `data-*`, `aria-*`; functions named `on...` are listeners. */
export function element(name, attributes = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "text") made.textContent = value;
    else if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...inside);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  agent: "M4 12v-1a8 8 0 0 1 16 0v1M4 12v4a2 2 0 0 0 2 2h1v-7H4m16 1v4a2 2 0 0 1-2 2h-1v-7h3m0 6c0 2.5-2 4-5 4h-2",
  customer: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 9c0-4 3-6.5 7-6.5s7 2.5 7 6.5",
  mixed: "M4 12h2l2-6 4 13 3-10 2 3h3",
  timeline: "M3 8h7m3 0h4M7 16h6m3 0h5M3 3v18",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 5 5",
  down: "M12 5v14m0 0 6-6m-6 6-6-6",
  check: "m5 12.5 4.5 4.5L19 7.5",
  bookmark: "M6 4h12v16l-6-4.5L6 20V4Z",
  copy: "M9 9h11v11H9V9Zm-3 6H4V4h11v2",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm-2.6-11.4a2.6 2.6 0 1 1 3.7 2.4c-.7.3-1.1.9-1.1 1.6v.4m0 2.6v.4",
  sliders: "M4 7h9m5 0h2M4 17h3m5 0h8M15.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Zm-6 10a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5Z",
  window: "M4 5h16v14H4V5Zm8 7h6v5h-6v-5Z",
  plus: "M12 5v14M5 12h14",
  close: "m6 6 12 12M18 6 6 18",
  pause: "M8 5v14m8-14v14",
  play: "M8 5v14l11-7L8 5Z",
  back: "M11 7 6 12l5 5m7-10-5 5 5 5",
  forward: "m13 7 5 5-5 5M6 7l5 5-5 5",
  warning: "M12 4 2.5 20h19L12 4Zm0 6v5m0 2.5v.3",
  keypad: "M6 6h.1M12 6h.1M18 6h.1M6 12h.1M12 12h.1M18 12h.1M6 18h.1M12 18h.1M18 18h.1",
  gauge: "M4 18a9 9 0 1 1 16 0m-8-1 4-6",
  phone: "M6 3h3l2 5-2.5 1.5a11 11 0 0 0 6 6L16 13l5 2v3a2 2 0 0 1-2.2 2A17 17 0 0 1 4 5.2 2 2 0 0 1 6 3Z",
  lock: "M6 11h12v9H6v-9Zm2.5 0V8a3.5 3.5 0 0 1 7 0v3",
};

/** Make an icon.  It is decoration: the words beside it, or the label of its button, carry the meaning. */
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", fill: "none", stroke: "currentColor",
    "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" })) {
    picture.setAttribute(key, value);
  }
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", ICONS[name] ?? ICONS.mixed);
  picture.append(line);
  return picture;
}

/** Make the element for words of a call: bidirectional text stays inside it. */
export function said(text, attributes = {}) {
  return element("span", { dir: "auto", ...attributes, class: `said ${attributes.class ?? ""}`.trim(), text });
}

/** Fill `place` with `text`, with `ranges` ([start, end] in UTF-16 units, ascending, apart) in <mark>. */
export function fillMarked(place, text, ranges) {
  const parts = [];
  let at = 0;
  for (const [start, end] of ranges) {
    if (start < at || end > text.length) continue;
    if (start > at) parts.push(text.slice(at, start));
    parts.push(element("mark", { text: text.slice(start, end) }));
    at = end;
  }
  if (at < text.length) parts.push(text.slice(at));
  place.replaceChildren(...parts);
}

/** Convert positions in code points, as the API counts, to positions in UTF-16 units, as JavaScript counts. */
export function fromCodePoints(text, ranges) {
  const starts = [0];
  for (const point of text) starts.push(starts.at(-1) + point.length);
  return ranges.map(([start, end]) => [starts[start] ?? text.length, starts[end] ?? text.length]);
}

/** Find whole words of `terms` in `text`, ignoring case: [start, end] pairs, ascending, apart. */
export function findTerms(text, terms) {
  const wanted = [...terms].filter(Boolean).sort((one, other) => other.length - one.length);
  if (!wanted.length) return [];
  const either = wanted.map((term) => RegExp.escape?.(term) ?? term.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
  const found = text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}])(?:${either.join("|")})(?![\\p{L}\\p{N}])`, "giu"));
  return [...found].map((one) => [one.index, one.index + one[0].length]);
}

const ENCODINGS = { mulaw: "G.711 µ-law", alaw: "G.711 A-law", l16: "16-bit linear PCM", g722: "G.722", opus: "Opus" };

/** The encoding and rate of a bridge's audio in words; empty if neither is known. */
export function audioFormat({ encoding, sample_rate: rate }) {
  return [ENCODINGS[encoding] ?? encoding, rate && `${rate / 1000} kHz`].filter(Boolean).join(", ");
}

const ROLES = { agent: "Agent", customer: "Customer", mixed: "Both speakers" };

/** The name of a role for people. */
export function roleName(role) {
  return ROLES[role] ?? String(role ?? "");
}

/** The name of a speaker of a mixed channel: the role, if it is known, else the number, from 0; null: not known. */
export function speakerName({ speaker, speakerRole }) {
  if (speakerRole) return roleName(speakerRole);
  return speaker === null ? "Unknown speaker" : `Speaker ${speaker + 1}`;
}

/** `m:ss` or `h:mm:ss` from milliseconds. */
export function clock(ms) {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(seconds).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

/** A duration in words, such as `0.8 s`, `12 s`, `3 min 20 s`. */
export function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Show a sentence for a moment at the bottom of the page; screen readers read it. */
export function toast(text, page = document) {
  const place = page.querySelector(".toasts") ?? page.body.appendChild(
    Object.assign(page.createElement("div"), { className: "toasts", role: "status" }));
  const shown = Object.assign(page.createElement("div"), { className: "toast", textContent: text });
  place.replaceChildren(shown);
  setTimeout(() => shown.remove(), 2500);
}
