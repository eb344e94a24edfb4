// Server-sent events by fetch: EventSource cannot send a token, and does not say why it was refused.

import { ApiError } from "./api.js";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const SILENT_MS = 25_000;      // the server sends a comment every 15 s

/** Parses a stream of server-sent events.  Pure: `feed` takes text and returns complete events. */
export class SseParser {
  #rest = "";
  #id = "";
  #data = [];

  feed(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length) events.push({ id: this.#id, data: this.#data.join("\n") });
        this.#id = "";
        this.#data = [];
      } else if (!line.startsWith(":")) {
        const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
        if (field === "data") this.#data.push(value ?? "");
        if (field === "id") this.#id = value ?? "";
      }
    }
    return events;
  }
}

/** The wait before the next attempt in ms: doubles from 0.25 s to 10 s.  `chance`: 0 to 1, spreads many readers. */
export function backoff(failures, chance) {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(failures, 6)) * (0.75 + chance / 2);
}

/**
 * Follows the events of one call: each event with a `seq` exactly once and in order, over any number of connections.
 *
 * `onEvents(events)` gets the parsed events in order; `onState(state)` gets `{kind, ...}`:
 *   connecting; live; waiting (`until`: time of the next attempt, `reason`); ended; refused (`error`: ApiError).
 * `after`: the last `seq` that is known already.  Use `start`, `close`, and `retry` (attempt now).
 */
export class CallEvents {
  #api; #path; #onEvents; #onState;
  #seq = 0;
  #holesKnown = false;
  #failures = 0;
  #connection = null;
  #lastByte = 0;
  #timer = null;
  #hasEnded = false;
  #closed = false;

  constructor({ api, callId, onEvents, onState, after = 0 }) {
    this.#api = api;
    this.#seq = after;
    this.#path = `/v1/calls/${encodeURIComponent(callId)}/events`;
    this.#onEvents = onEvents;
    this.#onState = onState;
  }

  /** The last `seq` that was given to `onEvents`. */
  get seq() {
    return this.#seq;
  }

  start() {
    addEventListener("online", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.#connect();
  }

  close() {
    this.#closed = true;
    removeEventListener("online", this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    clearTimeout(this.#timer);
    this.#connection?.abort();
  }

  /** Attempt to connect now, instead of at the end of the wait. */
  retry() {
    clearTimeout(this.#timer);
    this.#connection?.abort();
    this.#connect();
  }

  /** After sleep or a change of network: a connection that has been silent for long is dead. */
  #wake = () => {
    if (this.#closed || this.#hasEnded || document.visibilityState === "hidden") return;
    if (!this.#connection || performance.now() - this.#lastByte > SILENT_MS) this.retry();
  };

  async #connect() {
    const connection = (this.#connection = new AbortController());
    const stopWatching = this.#watch(connection);
    if (this.#failures === 0) this.#onState({ kind: "connecting" });
    let reason = "closed";
    try {
      await this.#follow(connection.signal);
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
        this.#hasEnded = true;
        this.#onState({ kind: "refused", error });
      }
      reason = error instanceof ApiError ? error.message : "The connection was lost.";
    } finally {
      stopWatching();
    }
    if (this.#connection !== connection) return;   // a newer attempt has begun
    this.#connection = null;
    if (!this.#closed && !this.#hasEnded) this.#wait(reason);
  }

  #watch(connection) {
    this.#lastByte = performance.now();
    const watching = setInterval(() => {
      if (performance.now() - this.#lastByte > SILENT_MS) connection.abort();
    }, 1_000);
    return () => clearInterval(watching);
  }

  #wait(reason) {
    const wait = backoff(this.#failures++, Math.random());
    this.#onState({ kind: "waiting", until: Date.now() + wait, reason });
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  async #follow(signal) {
    const response = await this.#api.send(this.#path, {
      signal,
      headers: { Accept: "text/event-stream", "Last-Event-ID": String(this.#seq) },
    });
    this.#onState({ kind: "live" });
    if (response.status === 204) return this.#end();
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#lastByte = performance.now();
      this.#failures = 0;
      await this.#take(parser.feed(value).map((one) => JSON.parse(one.data)), signal);
      if (this.#hasEnded) return this.#end();
    }
  }

  #end() {
    this.#hasEnded = true;
    this.#onState({ kind: "ended" });
  }

  /** Pass events on.  What was seen before is left out; what is missing in between is fetched first. */
  async #take(events, signal) {
    const fresh = [];
    for (const event of events) {
      if (event.type === "log.replaced") this.#seq = 0;
      if (event.seq !== undefined) {
        if (event.seq <= this.#seq) continue;
        if (event.seq > this.#seq + 1 && !this.#holesKnown) fresh.push(...(await this.#missing(event.seq, signal)));
        this.#seq = event.seq;
      }
      this.#hasEnded ||= event.type === "call.ended";
      fresh.push(event);
    }
    if (fresh.length) this.#onEvents(fresh);
  }

  /** Fetch the events between the last one and `next`.  Events that a server cannot read, or did not store, stay out. */
  async #missing(next, signal) {
    const limit = Math.min(1_000, next - this.#seq - 1);
    const page = await this.#api.json(`${this.#path}?from_seq=${this.#seq + 1}&limit=${limit}`, { signal });
    const found = page.events.filter((one) => one.seq > this.#seq && one.seq < next);
    this.#holesKnown = found.length < next - this.#seq - 1;
    return found;
  }
}
