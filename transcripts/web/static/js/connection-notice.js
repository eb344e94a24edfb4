// The line that says while the page is disconnected from the server.

const SHOWN_AFTER_MS = 700;      // a reconnection within this time is not worth a line

export class ConnectionNotice {
  #place; #text; #timer = null; #state = { kind: "connecting" };

  constructor(place, retry) {
    this.#place = place;
    this.#text = place.querySelector("span");
    place.querySelector("button").addEventListener("click", retry);
    this.#text.setAttribute("role", "status");
  }

  /** Show the state of CallEvents. */
  show(state) {
    this.#state = state;
    if (state.kind === "waiting") this.#timer ??= setInterval(() => this.#say(), 250);
    else if (state.kind !== "connecting") this.#clear();
  }

  #clear() {
    clearInterval(this.#timer);
    this.#timer = null;
    this.#since = null;
    this.#place.hidden = true;
  }

  #since = null;

  #say() {
    this.#since ??= Date.now();
    if (Date.now() - this.#since < SHOWN_AFTER_MS) return;
    const seconds = Math.ceil((this.#state.until - Date.now()) / 1000);
    const next = this.#state.kind === "waiting" && seconds > 0 ? `Next attempt in ${seconds} s.` : "Connecting …";
    this.#place.hidden = false;
    const text = `Disconnected since ${new Date(this.#since).toLocaleTimeString()}. Nothing is lost: missed text follows. ${next}`;
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }
}
