// The transcript of one call as rows, from its events.  Pure: no page, no clock, no network.

const SETTLED = new Set(["final", "failed", "dropped"]);
const SAME_PRESS_MS = 4_000;     // keys pressed within this time are one row
const SAME_GAP_MS = 100;

/**
 * Turns events into rows in the order of the call.
 *
 * A row is `{key, kind, at, ...}`; `at` and `end` are ms on the clock of the call.  Kinds:
 *   segment   `state` open, partial, final, failed or dropped; `channel`, `role`, `text`, `stable` (first words that
 *             stay), `words`, `keywords`, `redactions` (word indices), `reason`, `isRevised`
 *   dtmf      `role`, `digits`
 *   gap       `roles`, `account` (lost_upstream, paused, shed), `end`, `reason`
 *   line      `role`, `fault`, `check`, `measured`, `unit`
 *   load      `level`, `reason`
 *   warning   `code`, `message`
 *   card      `id`, `title`, `text`, `link` (http or https, or empty), `audience`, `rule`
 *   keywords  `revision`, `accepted`, `rejected`, `added`, `removed`
 *   ended     `reason`
 *   restarted the log was replaced by another one
 */
export class Transcript {
  rows = [];
  call = null;                 // the event call.started
  isAudioKept = false;         // the log says so; a call read from the store does not
  ended = null;                // the event call.ended
  level = "normal";
  keywords = { revision: -1, accepted: [], rejected: [] };
  #byKey = new Map();
  #generation = 0;
  #latest = 0;

  /** The latest known time of the call in ms. */
  get latest() {
    return this.#latest;
  }

  /** How often each keyword was heard. */
  heard() {
    const counts = new Map();
    for (const row of this.rows) {
      for (const term of row.keywords ?? []) counts.set(term, (counts.get(term) ?? 0) + 1);
    }
    return counts;
  }

  row(key) {
    return this.#byKey.get(key);
  }

  /** Apply one event.  Returns the changes: `{kind: "add" | "change" | "remove", row}`. */
  apply(event) {
    this.#latest = Math.max(this.#latest, event.end_ms ?? event.start_ms ?? event.at_ms ?? 0);
    switch (event.type) {
      case "call.started":
        this.call = event;
        return [];
      case "speech.started":
        return this.#segment(event, { state: "open", text: "", words: [], stable: 0 });
      case "segment.partial":
        return this.#partial(event);
      case "segment.final":
        return this.#final(event);
      case "segment.revised":
        return this.#final(event, { isRevised: (event.redactions ?? []).length > 0 });
      case "segment.failed":
        return this.#segment(event, { state: "failed", reason: event.reason, end: event.end_ms });
      case "segment.dropped":
        return this.#segment(event, { state: "dropped", reason: event.reason, end: event.end_ms });
      case "dtmf":
        return this.#dtmf(event);
      case "audio_gap":
        return this.#gap(event);
      case "card":
        return this.#card(event);
      case "line_warning":
        return this.#note("line", event, event.at_ms, event);
      case "degraded":
        this.level = event.level;
        return this.#note("load", event, this.#latest, { level: event.level, reason: event.reason ?? "" });
      case "warning":
        return this.#note("warning", event, this.#latest, { code: event.code, message: event.message });
      case "keywords.applied":
        return this.#keywords(event);
      case "call.ended":
        this.ended = event;
        return this.#note("ended", event, Math.max(event.duration_ms ?? 0, this.#latest), { reason: event.reason });
      case "audio.kept":
        this.isAudioKept = true;
        return [];
      case "log.replaced":
        return this.#replaced(event);
      default:
        return [];             // an event of a newer version
    }
  }

  #key(name) {
    return `${this.#generation}/${name}`;
  }

  #partial(event) {
    const known = this.#byKey.get(this.#key(event.segment_id));
    if (known && (SETTLED.has(known.state) || event.rev <= (known.rev ?? -1))) return [];
    const words = event.words ?? [];
    const firstOpen = words.findIndex((word) => !word.stable);
    const stable = firstOpen < 0 ? words.length : firstOpen;
    return this.#segment(event, { state: "partial", text: event.text, words, stable, rev: event.rev, end: event.end_ms });
  }

  #final(event, more = {}) {
    const flags = event.flags ?? [];
    const isSilent = !event.text && !flags.includes("withheld:redaction_failed");
    if (isSilent) return this.#remove(this.#key(event.segment_id));
    return this.#segment(event, {
      state: "final", text: event.text, words: event.words ?? [], keywords: event.keywords ?? [],
      redactions: (event.redactions ?? []).map((one) => one.word), end: event.end_ms, flags, latency: event.latency, ...more,
    });
  }

  #segment(event, fields) {
    const key = this.#key(event.segment_id);
    const known = this.#byKey.get(key);
    if (known) {
      if (SETTLED.has(known.state) && !SETTLED.has(fields.state)) return [];
      Object.assign(known, fields);
      return [{ kind: "change", row: known }];
    }
    return this.#add({ key, kind: "segment", id: event.segment_id, channel: event.channel, role: event.role,
      at: event.start_ms, end: event.start_ms, ...fields });
  }

  #dtmf(event) {
    const last = this.rows.findLast((row) => row.kind === "dtmf" && row.channel === event.channel);
    if (last && event.at_ms >= last.end && event.at_ms - last.end <= SAME_PRESS_MS) {
      Object.assign(last, { digits: last.digits + event.digit, end: event.at_ms });
      return [{ kind: "change", row: last }];
    }
    const more = { channel: event.channel, role: event.role, digits: event.digit, end: event.at_ms };
    return this.#note("dtmf", event, event.at_ms, more);
  }

  /** Gaps of all channels at the same time are one row, and so are gaps that touch. */
  #gap(event) {
    const same = this.rows.findLast((row) => row.kind === "gap" && row.account === event.account
      && row.generation === this.#generation
      && event.start_ms <= row.end + SAME_GAP_MS && event.end_ms >= row.at - SAME_GAP_MS);
    if (same) {
      same.end = Math.max(same.end, event.end_ms);
      if (!same.roles.includes(event.role)) same.roles.push(event.role);
      return [{ kind: "change", row: same }];
    }
    const more = { account: event.account, roles: [event.role], end: event.end_ms, reason: event.reason };
    return this.#note("gap", event, event.start_ms, more);
  }

  /** A card stands below the segment that caused it. */
  #card(event) {
    const key = this.#key(`card:${event.card_id}`);
    if (this.#byKey.has(key)) return [];
    const at = this.#byKey.get(this.#key(event.segment_id))?.at ?? event.at_ms;
    return this.#add({ key, kind: "card", id: event.card_id, at, end: at, title: event.title, text: event.text ?? "",
      link: /^https?:\/\//.test(event.link ?? "") ? event.link : "", audience: event.for, rule: event.rule ?? "" });
  }

  #keywords(event) {
    const before = this.keywords.accepted;
    this.keywords = { revision: event.keywords_rev, accepted: event.accepted ?? [], rejected: event.rejected ?? [] };
    const [were, are] = [new Set(before), new Set(this.keywords.accepted)];
    const added = this.keywords.accepted.filter((term) => !were.has(term));
    const removed = before.filter((term) => !are.has(term));
    if (event.keywords_rev === 0 && !this.keywords.rejected.length) return [];   // the list that the call began with
    return this.#note("keywords", event, this.#latest, { ...this.keywords, added, removed });
  }

  #replaced(event) {
    const open = this.rows.filter((row) => row.kind === "segment" && !SETTLED.has(row.state));
    const removed = open.flatMap((row) => this.#remove(row.key));
    this.#generation += 1;
    this.ended = null;
    return [...removed, ...this.#note("restarted", event, this.#latest, {})];
  }

  #note(kind, event, at, fields) {
    const key = this.#key(`${kind}:${event.seq ?? at}`);
    if (this.#byKey.has(key)) return [];
    return this.#add({ ...fields, key, kind, at, end: fields.end ?? at });
  }

  #add(row) {
    row.generation = this.#generation;
    this.#byKey.set(row.key, row);
    let place = this.rows.length;
    while (place > 0 && isAfter(this.rows[place - 1], row)) place -= 1;
    this.rows.splice(place, 0, row);
    return [{ kind: "add", row, place }];
  }

  #remove(key) {
    const row = this.#byKey.get(key);
    if (!row) return [];
    this.#byKey.delete(key);
    this.rows.splice(this.rows.indexOf(row), 1);
    return [{ kind: "remove", row }];
  }
}

function isAfter(one, other) {
  return one.generation === other.generation ? one.at > other.at : one.generation > other.generation;
}

/** The parts of a settled segment's text: `{text, kind}` with `kind` plain or redacted. */
export function partsOf(row) {
  const words = (row.words ?? []).map((word) => word.w);
  if (!row.redactions?.length || words.join(" ") !== row.text) return [{ kind: "plain", text: row.text }];
  const parts = [];
  words.forEach((word, index) => {
    const kind = row.redactions.includes(index) ? "redacted" : "plain";
    const last = parts.at(-1);
    if (last?.kind === "plain" && kind === "plain") last.text += ` ${word}`;
    else parts.push({ kind, text: word });
  });
  return parts;
}

/** The words of a partial; one that stands for all if the text is not made of them. */
export function wordsOf(row) {
  const words = (row.words ?? []).map((word) => word.w);
  return words.join(" ") === row.text && row.text ? words : [row.text || "…"];
}

/** The turns of a settled segment of a mixed channel: `{speaker, speakerRole, row}`, speakers from 0; none if none is known. */
export function turnsOf(row) {
  const words = row.words ?? [];
  if (!words.some((word) => Number.isInteger(word.speaker)) || words.map((word) => word.w).join(" ") !== row.text) return [];
  const begins = words.flatMap((word, index) => (index === 0 || word.speaker !== words[index - 1].speaker ? [index] : []));
  return begins.map((first, place) => {
    const end = begins[place + 1] ?? words.length;
    const redactions = (row.redactions ?? []).filter((one) => first <= one && one < end).map((one) => one - first);
    const own = words.slice(first, end);
    return { speaker: own[0].speaker ?? null, speakerRole: own[0].role, row: { ...row, words: own, redactions, text: own.map((word) => word.w).join(" ") } };
  });
}
