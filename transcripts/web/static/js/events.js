// The events of one call.

import { EventStream } from "./event-stream.js";

/**
 * Follows the events of one call: each event with a `seq` exactly once and in order, over any number of connections.
 *
 * `onEvents(events)` gets the parsed events in order; `onState(state)` as in `EventStream`.
 * `after`: the last `seq` that is known already.
 */
export class CallEvents extends EventStream {
  #api; #path; #onEvents;
  #seq = 0;
  #holesKnown = false;
  #hasEnded = false;

  constructor({ api, callId, onEvents, onState, after = 0 }) {
    super(onState);
    this.#api = api;
    this.#seq = after;
    this.#path = `/v1/calls/${encodeURIComponent(callId)}/events`;
    this.#onEvents = onEvents;
  }

  /** The last `seq` that was given to `onEvents`. */
  get seq() {
    return this.#seq;
  }

  open(signal) {
    return this.#api.send(this.#path, {
      signal,
      headers: { Accept: "text/event-stream", "Last-Event-ID": String(this.#seq) },
    });
  }

  /** Pass events on.  What was seen before is left out; what is missing in between is fetched first. */
  async take(events, signal) {
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
    return this.#hasEnded;
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
