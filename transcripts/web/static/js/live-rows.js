// What the table and the wall say about a call in progress.  Pure.

import { duration, roleName } from "./text.js";

const FAULTS = {
  wrong_law: "Wrong µ-law/A-law", wrong_encoding: "Wrong encoding", wrong_byte_order: "Wrong byte order",
  wrong_rate: "Wrong sample rate", dual_mono: "Both channels are equal", one_way: "One-way audio",
  clipping: "Clipping", dc_offset: "DC offset", packet_loss: "Packet loss", too_quiet: "Too quiet", noise: "Noise",
};
const LEVELS = { fewer_partials: "Fewer partials", no_partials: "No partials", no_new_calls: "Server full" };
const HIDDEN = new Set(["agent", "token"]);

/** The name under which people know the call: agent, else the number or name that the bridge sent, else its id. */
export function who(row) {
  return row.agent || caller(row) || row.call_id;
}

/** The other party, from what bridges commonly send; empty if unknown. */
export function caller(row) {
  for (const name of ["caller", "from", "From", "customer", "number", "caller_id", "ani"]) {
    if (row.metadata[name]) return row.metadata[name];
  }
  return "";
}

/** The second line: the other party, and further data of the bridge. */
export function about(row) {
  const parts = [];
  if (row.agent && caller(row)) parts.push(caller(row));
  for (const [name, value] of Object.entries(row.metadata)) {
    if (!HIDDEN.has(name) && value !== caller(row) && parts.length < 3) parts.push(`${name}: ${value}`);
  }
  if (!parts.length && who(row) !== row.call_id) parts.push(row.call_id);
  return parts.join(" · ");
}

/** Share of the speech of each role, in percent: `[["agent", 60], ["customer", 40]]`. */
export function talkShare(row) {
  const total = Object.values(row.talk_ms).reduce((sum, one) => sum + one, 0);
  if (!total) return [];
  return ["agent", "customer", "mixed"].filter((role) => row.talk_ms[role]).map((role) => [role, Math.round((100 * row.talk_ms[role]) / total)]);
}

/** Talk share in words, for the label of the bar. */
export function talkWords(row) {
  const shares = talkShare(row);
  return shares.length ? shares.map(([role, share]) => `${roleName(role)} ${share} %`).join(", ") : "No speech yet";
}

/** What is wrong with a call: `[{tone, text, title}]`; empty if all is well. */
export function troubles(row) {
  const found = row.line.map((one) => ({ tone: "bad", text: FAULTS[one.fault] ?? one.fault, title: `${roleName(one.role)}: ${one.check}` }));
  if (row.lost_ms >= 1000) found.push({ tone: "warn", text: `${duration(row.lost_ms)} lost`, title: "Audio that did not arrive" });
  if (row.failed) found.push({ tone: "warn", text: `${row.failed} without text`, title: "Segments that failed or were dropped" });
  if (row.degraded !== "normal") {
    const reason = row.degraded_reason || "The server is behind. Finals are not left out.";
    found.push({ tone: "warn", text: LEVELS[row.degraded] ?? row.degraded, title: reason });
  }
  if (row.warnings.length) found.push({ tone: "warn", text: "Bridge", title: row.warnings.join("\n") });
  return found;
}

/** The text in which the filter searches. */
export function haystack(row) {
  return [row.call_id, row.agent, ...row.tags, ...Object.values(row.metadata), row.language, row.dialect,
    row.last?.text ?? "", ...Object.keys(row.keywords)].join("\n").toLowerCase();
}

/** Whether a row passes: every word of `text` occurs, the language is equal, and it needs attention if wanted. */
export function passes(row, { text = "", language = "", attention = false }) {
  if (language && row.language !== language) return false;
  if (attention && !troubles(row).length) return false;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? haystack(row) : "";
  return words.every((word) => found.includes(word));
}

const customerShare = (row) => talkShare(row).find(([role]) => role === "customer")?.[1] ?? -1;
const sum = (counts) => Object.values(counts).reduce((total, one) => total + one, 0);

/** The columns that sort, each with its value; numbers sort from high to low first, texts from A to Z. */
export const ORDERS = {
  who: { label: "Who", of: (row) => who(row).toLowerCase() },
  since: { label: "Since", of: (row) => -row.started_at, title: "Duration" },
  language: { label: "Language", of: (row) => row.language },
  talk: { label: "Talk", of: customerShare, title: "Share of the customer" },
  keywords: { label: "Keywords", of: (row) => sum(row.keywords) },
  trouble: { label: "Line", of: (row) => troubles(row).length, title: "Line and server" },
};

/** Sort rows; `isReversed`: the other way round.  Equal rows stay in the order of their start. */
export function sorted(rows, order, isReversed) {
  const { of } = ORDERS[order];
  const sign = (typeof of(rows[0] ?? EMPTY) === "string" ? 1 : -1) * (isReversed ? -1 : 1);
  return rows.map((row) => [of(row), row]).sort(([one, first], [other, second]) =>
    sign * (one < other ? -1 : one > other ? 1 : 0) || first.started_at - second.started_at
      || (first.call_id < second.call_id ? -1 : 1)).map(([, row]) => row);
}

const EMPTY = { call_id: "", agent: "", metadata: {}, language: "", started_at: 0, talk_ms: {}, keywords: {}, line: [],
  warnings: [], lost_ms: 0, failed: 0, degraded: "normal", tags: [] };
