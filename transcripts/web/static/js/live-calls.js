// All calls in progress, from one event stream: GET /v1/live.

import { EventStream } from "./event-stream.js";

/**
 * Keeps `calls`, a map from call id to row.
 *
 * `onChange(changed, gone)` gets the rows that have changed and the ids of calls that are over, after each message;
 * `onState(state)` as in `EventStream`.
 */
export class LiveCalls extends EventStream {
  calls = new Map();
  /** Messages that were received, and those that were lost on the way: always 0, unless a proxy drops some. */
  messages = 0;
  dropped = 0;
  #api; #onChange;
  #n = null;

  constructor({ api, onChange, onState = () => {} }) {
    super(onState);
    this.#api = api;
    this.#onChange = onChange;
  }

  open(signal) {
    return this.#api.send("/v1/live", { signal, headers: { Accept: "text/event-stream" } });
  }

  async take(messages) {
    messages.forEach((one) => this.#apply(one));
    return false;
  }

  #apply(message) {
    this.messages += 1;
    const before = message.snapshot ? new Map(this.calls) : null;
    if (message.snapshot) this.calls.clear();
    else this.dropped += Math.max(0, message.n - this.#n - 1);
    this.#n = message.n;
    for (const row of message.calls) this.calls.set(row.call_id, row);
    for (const id of message.gone) this.calls.delete(id);
    const gone = before ? [...before.keys()].filter((id) => !this.calls.has(id)) : message.gone;
    this.#onChange(message.calls, gone);
  }
}
