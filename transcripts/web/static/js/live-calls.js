// All calls in progress, from one event stream: GET /v1/live.

import { ApiError } from "./api.js";
import { SseParser, backoff } from "./events.js";

const SILENT_MS = 25_000;      // the server sends a comment every 15 s

/**
 * Keeps `calls`, a map from call id to row.
 *
 * `onChange(changed, gone)` gets the rows that have changed and the ids of calls that are over, after each message;
 * `onState(state)` gets `{kind}`: connecting, live, waiting (`until`), refused (`error`).
 */
export class LiveCalls {
  calls = new Map();
  /** Messages that were received, and those that were lost on the way: always 0, unless a proxy drops some. */
  messages = 0;
  dropped = 0;
  #api; #onChange; #onState;
  #n = null;
  #failures = 0;
  #connection = null;
  #lastByte = 0;
  #timer = null;
  #closed = false;

  constructor({ api, onChange, onState = () => {} }) {
    this.#api = api;
    this.#onChange = onChange;
    this.#onState = onState;
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

  /** Attempt to connect now. */
  retry() {
    clearTimeout(this.#timer);
    this.#connection?.abort();
    this.#connect();
  }

  #wake = () => {
    if (this.#closed || document.visibilityState === "hidden") return;
    if (!this.#connection || performance.now() - this.#lastByte > SILENT_MS) this.retry();
  };

  async #connect() {
    const connection = (this.#connection = new AbortController());
    this.#lastByte = performance.now();
    const watching = setInterval(() => {
      if (performance.now() - this.#lastByte > SILENT_MS) connection.abort();
    }, 1_000);
    if (!this.#failures) this.#onState({ kind: "connecting" });
    let refused = null;
    try {
      await this.#read(connection.signal);
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) refused = error;
    } finally {
      clearInterval(watching);
    }
    if (this.#connection !== connection || this.#closed) return;
    this.#connection = null;
    if (refused) return this.#onState({ kind: "refused", error: refused });
    const wait = backoff(this.#failures++, Math.random());
    this.#onState({ kind: "waiting", until: Date.now() + wait });
    this.#timer = setTimeout(() => this.#connect(), wait);
  }

  async #read(signal) {
    const response = await this.#api.send("/v1/live", { signal, headers: { Accept: "text/event-stream" } });
    this.#n = null;
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      this.#lastByte = performance.now();
      for (const one of parser.feed(value)) this.#take(JSON.parse(one.data));
    }
  }

  #take(message) {
    this.messages += 1;
    const before = message.snapshot ? new Map(this.calls) : null;
    if (message.snapshot) {
      if (this.#n === null || this.#failures) this.#onState({ kind: "live" });
      this.#failures = 0;
      this.calls.clear();
    } else {
      this.dropped += Math.max(0, message.n - this.#n - 1);
    }
    this.#n = message.n;
    for (const row of message.calls) this.calls.set(row.call_id, row);
    for (const id of message.gone) this.calls.delete(id);
    const gone = before ? [...before.keys()].filter((id) => !this.calls.has(id)) : message.gone;
    this.#onChange(message.calls, gone);
  }
}
