// The element of one row of a transcript.

import { clock, duration, element, fillMarked, findTerms, icon, roleName, speakerName } from "./text.js";
import { partsOf, turnsOf, wordsOf } from "./transcript.js";

const LEVELS = {
  normal: "The server has caught up: text appears while people speak again.",
  fewer_partials: "The server is busy: text appears less often while people speak. Nothing is left out.",
  no_partials: "The server is very busy: text appears only after each sentence. Nothing is left out.",
  no_new_calls: "The server is full: text appears only after each sentence. Nothing of this call is left out.",
};
const GAPS = { lost_upstream: "of audio did not arrive", paused: "paused: not transcribed", shed: "left out: the server was overloaded" };
const GAP_ICONS = { lost_upstream: "warning", paused: "pause", shed: "gauge" };
const FAULTS = {
  wrong_law: "wrong G.711 law", wrong_encoding: "wrong encoding", wrong_byte_order: "wrong byte order",
  wrong_rate: "wrong sample rate", dual_mono: "both channels carry the same audio", one_way: "one-way audio",
  clipping: "clipped audio", dc_offset: "DC offset", packet_loss: "lost packets", too_quiet: "too quiet", noise: "noise",
};
const ENDS = { completed: "", hangup: "(the connection was closed)", "gateway lost": "(the gateway was lost)" };

/** Make the element of `row`. */
export function makeRow(row) {
  const made = element("div", { class: "row-of-call", role: "listitem", tabindex: "-1", "data-key": row.key });
  if (row.kind === "segment") {
    made.append(
      element("div", { class: "who" }, icon(row.role), element("span", { text: roleName(row.role) })),
      element("time", { text: clock(row.at) }),
      element("p", { class: "words said", dir: "auto" }),
    );
  }
  fillRow(made, row);
  return made;
}

/** Bring the element of `row` up to date.  `isSame`: the same speaker goes on. */
export function fillRow(made, row) {
  if (row.kind === "segment") fillSegment(made, row);
  else if (row.kind === "card") fillCard(made, row);
  else fillNote(made, row);
}

function fillSegment(made, row) {
  made.className = `row-of-call segment ${row.role} ${row.state}${made.classList.contains("continued") ? " continued" : ""}`;
  const words = made.querySelector(".words");
  if (row.state === "partial" || row.state === "open") fillPartial(words, row);
  else if (row.state === "final") fillFinal(words, row);
  else words.replaceChildren(element("span", { class: "lost-words", text: unheard(row) }));
}

function unheard(row) {
  const why = row.state === "failed" ? "These words could not be transcribed" : "These words were left out";
  return row.reason ? `${why}: ${row.reason}` : why;
}

/** The first words that are the same keep their elements, so that they do not move, and a selection in them stays. */
function fillPartial(words, row) {
  const all = wordsOf(row);
  if (words.firstElementChild && !words.firstElementChild.matches(".word")) words.replaceChildren();
  const known = [...words.children];
  let same = 0;
  while (same < all.length && same < known.length && known[same].dataset.word === all[same]) same += 1;
  known.slice(same).forEach((one) => one.remove());
  all.slice(same).forEach((word, place) => words.append(element("span",
    { class: "word", "data-word": word, text: same + place ? ` ${word}` : word })));
  [...words.children].forEach((one, place) => one.classList.toggle("open", place >= row.stable));
}

function fillFinal(words, row) {
  if (!row.text) {
    words.replaceChildren(element("span", { class: "lost-words", text: "Words withheld: they could not be checked for private data" }));
    return;
  }
  const turns = turnsOf(row);
  const inside = turns.length ? turns.map((turn, place) => turnOf(turn, place < turns.length - 1)) : partsIn(row);
  if (row.isRevised) inside.push(" ", element("span", { class: "chip", text: "number removed" }));
  words.replaceChildren(...inside);
}

/** A turn on lines of its own.  Its name is not a text of the page: places in the text of the row are counted. */
function turnOf(turn, isFollowed) {
  const name = speakerName(turn);
  return element("span", { class: "turn", "data-speaker": name }, ...partsIn(turn.row), ...(isFollowed ? [" "] : []));
}

function partsIn(row) {
  const inside = [];
  for (const part of partsOf(row)) {
    if (inside.length) inside.push(" ");
    const place = part.kind === "redacted"
      ? element("span", { class: "redacted", title: "Private data was left out", text: part.text })
      : element("span");
    if (part.kind === "plain") fillMarked(place, part.text, findTerms(part.text, row.keywords));
    inside.push(place);
  }
  return inside;
}

function fillNote(made, row) {
  const { name, tone, text, more } = NOTES[row.kind](row);
  made.className = `row-of-call note ${tone ?? ""}`;
  const inside = element("p", {}, icon(name), element("span", { text }));
  if (more) inside.append(" ", element("span", { class: `said more ${STRONG.has(row.kind) ? "strong" : ""}`, dir: "auto", text: more }));
  made.replaceChildren(element("time", { text: clock(row.at) }), inside);
}

const AUDIENCES = { agent: "For the agent", supervisor: "For supervisors" };

/** A card of the site.  Its link opens elsewhere, and tells nothing of this page. */
function fillCard(made, row) {
  made.className = "row-of-call note assist";
  const title = element("strong", { class: "said", dir: "auto", text: row.title });
  const inside = element("div", { class: "assist-body" }, element("p", {}, icon("bookmark"), title));
  if (row.text) inside.append(element("p", { class: "said", dir: "auto", text: row.text }));
  const about = [AUDIENCES[row.audience], row.rule && `Rule “${row.rule}”`].filter(Boolean).join(" · ");
  if (row.link) inside.append(element("p", {}, element("a", { href: row.link, target: "_blank", rel: "noopener noreferrer", text: new URL(row.link).host })));
  if (about) inside.append(element("p", { class: "muted small", text: about }));
  made.replaceChildren(element("time", { text: clock(row.at) }), inside);
}

const STRONG = new Set(["dtmf", "keywords"]);   // what follows is the point, not an explanation

const NOTES = {
  dtmf: (row) => ({ name: "keypad", text: `${roleName(row.role)} pressed`, more: [...row.digits].join(" ") }),
  gap: (row) => ({ name: GAP_ICONS[row.account] ?? "warning", tone: row.account === "paused" ? "" : "warn",
    text: `${duration(row.end - row.at)} ${GAPS[row.account] ?? row.account} (${row.roles.map(roleName).join(" and ").toLowerCase()})` }),
  line: (row) => ({ name: "warning", tone: "warn", more: row.check,
    text: `${roleName(row.role)}'s line: ${FAULTS[row.fault] ?? row.fault}.` }),
  load: (row) => ({ name: "gauge", tone: row.level === "normal" ? "good" : "warn", text: LEVELS[row.level] ?? row.level, more: row.reason }),
  warning: (row) => ({ name: "warning", text: "Something that the phone system sent was ignored:", more: row.message }),
  keywords: (row) => ({ name: "check", text: keywordsChanged(row), more: someOf([...row.added, ...row.removed, ...row.rejected]) }),
  ended: (row) => ({ name: "phone", text: "The call ended", more: ENDS[row.reason] ?? `(${row.reason})` }),
  restarted: () => ({ name: "warning", text: "The record of this call began again here." }),
};

/** The first of many terms in one line. */
function someOf(terms, most = 20) {
  const left = terms.length - most;
  return terms.slice(0, most).join(", ") + (left > 0 ? ` and ${left} more` : "");
}

function keywordsChanged(row) {
  if (row.rejected.length && !row.added.length) return "Keyword not accepted:";
  if (row.added.length && row.removed.length) return "Keywords replaced:";
  return row.removed.length ? "Keyword removed:" : "Keyword in use:";
}

/** The text of a row for copying and for screen readers, such as `0:12 Agent: thank you`. */
export function plainText(row, isTimed = true) {
  if (row.kind === "card") return `${isTimed ? `${clock(row.at)} ` : ""}Card: ${row.title}`;
  const said = row.kind === "segment" ? spokenText(row) : noteText(row);
  return isTimed ? `${clock(row.at)} ${said}` : said;
}

function spokenText(row) {
  const turns = turnsOf(row);
  if (turns.length) return turns.map((turn) => `${speakerName(turn)}: ${turn.row.text}`).join(" ");
  return `${roleName(row.role)}: ${row.text || unheard(row)}`;
}

function noteText(row) {
  const { text, more } = NOTES[row.kind](row);
  return more ? `${text} ${more}` : text;
}
