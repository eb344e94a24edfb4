// A stream of server-sent events by fetch, opened again whenever it ends: EventSource cannot send a token, and does not
// say why it was refused.

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
 * A stream that is opened again whenever it ends, fails or is silent.  A subclass has `open` and `take`.
 *
 * `onState(state)` gets `{kind, ...}`: connecting; live; waiting (`until`: time of the next attempt, `reason`); ended;
 * refused (`error`: ApiError).  Use `start`, `close`, and `retry` (attempt now).
 */
export class EventStream {
  #onState;
  #failures = 0;
  #connection = null;
  #lastByte = 0;
  #timer = null;
  #isOver = false;      // closed, ended or refused

  constructor(onState) {
    this.#onState = onState;
  }

  /** Send the request; returns its response.  For a subclass. */
  async open() {
    throw new Error("a subclass opens the stream");
  }

  /** Take parsed messages; returns whether the stream has ended for good.  For a subclass. */
  async take() {
    throw new Error("a subclass takes the messages");
  }

  start() {
    addEventListener("online", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
    this.#connect();
  }

  close() {
    this.#isOver = true;
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
    if (this.#isOver || document.visibilityState === "hidden") return;
    if (!this.#connection || performance.now() - this.#lastByte > SILENT_MS) this.retry();
  };

  async #connect() {
    const connection = (this.#connection = new AbortController());
    const stopWatching = this.#watch(connection);
    if (this.#failures === 0) this.#onState({ kind: "connecting" });
    let reason = "closed";
    try {
      if (await this.#follow(connection.signal)) this.#end({ kind: "ended" });
    } catch (error) {
      if (isRefusal(error)) this.#end({ kind: "refused", error });
      reason = error instanceof ApiError ? error.message : "The connection was lost.";
    } finally {
      stopWatching();
    }
    if (this.#connection !== connection) return;   // a newer attempt has begun
    this.#connection = null;
    if (!this.#isOver) this.#wait(reason);
  }

  #end(state) {
    this.#isOver = true;
    this.#onState(state);
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

  /** Returns whether the stream has ended for good. */
  async #follow(signal) {
    const response = await this.open(signal);
    this.#onState({ kind: "live" });
    if (response.status === 204) return true;
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      this.#lastByte = performance.now();
      this.#failures = 0;
      if (await this.take(parser.feed(value).map((one) => JSON.parse(one.data)), signal)) return true;
    }
  }
}

/** Whether to try again is useless: the server refuses this credential, or does not know the path. */
function isRefusal(error) {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
}
