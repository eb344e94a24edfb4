// Shows the rows of a transcript in a scrolling element, and follows the newest one until the reader scrolls up.

import { fillRow, makeRow, plainText } from "./row.js";
import { element } from "./text.js";

const ROWS_IN_BLOCK = 40;        // the browser lays out only the blocks near the screen (content-visibility)
const AT_END_PX = 48;
const SAME_TURN_MS = 20_000;     // a longer silence begins a new turn
const MOST_ANNOUNCED = 2;        // finals of one batch; more are history, which is not read aloud

/** `onFollow(isFollowing, unseen)` is called when following changes, and for each new row that is out of sight. */
export class CaptionsView {
  #scroller; #rows; #transcript; #live; #onFollow;
  #elements = new Map();
  #following = true;
  #unseen = 0;
  #lastTop = 0;

  constructor(scroller, transcript, { live = null, onFollow = () => {} } = {}) {
    this.#scroller = scroller;
    this.#transcript = transcript;
    this.#live = live;
    this.#onFollow = onFollow;
    this.#rows = scroller.appendChild(element("div", { class: "rows", role: "list" }));
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#keepEnd()).observe(scroller);
  }

  /** The scrolling element. */
  get scroller() {
    return this.#scroller;
  }

  get isFollowing() {
    return this.#following;
  }

  element(key) {
    return this.#elements.get(key);
  }

  /** Show changes of the transcript, in their order. */
  apply(changes) {
    for (const change of changes) this.#apply(change);
    this.#announce(changes);
    this.#keepEnd();
  }

  /** Scroll to the newest row, and follow. */
  follow() {
    this.#set(true);
    this.#keepEnd();
  }

  /** Show a row in the middle, give it the focus, and stop following. */
  show(key) {
    const shown = this.#elements.get(key);
    if (!shown) return;
    if (this.#transcript.rows.at(-1)?.key !== key) this.#set(false);
    shown.scrollIntoView({ block: "center" });
    shown.focus({ preventScroll: true });
  }

  /** Bring a row into sight without giving it the focus, and stop following. */
  reveal(key) {
    const shown = this.#elements.get(key);
    if (!shown) return;
    this.#set(false);
    shown.scrollIntoView({ block: "nearest" });
  }

  /** The key of the row with the focus, else of the one in the middle of the screen. */
  current() {
    const focused = this.#scroller.ownerDocument.activeElement?.closest?.("[data-key]");
    if (focused && this.#rows.contains(focused)) return focused.dataset.key;
    return null;
  }

  /** Show the row that is `by` segments after the current one. */
  step(by) {
    const turns = this.#transcript.rows.filter((row) => row.kind === "segment");
    const at = turns.findIndex((row) => row.key === this.current());
    const next = at < 0 ? turns.length - 1 : Math.min(turns.length - 1, Math.max(0, at + by));
    if (turns[next]) this.show(turns[next].key);
  }

  #apply({ kind, row }) {
    if (kind === "remove") {
      this.#remove(row);
    } else if (kind === "change") {
      const shown = this.#elements.get(row.key);
      if (shown) fillRow(shown, row);
    } else {
      this.#insert(row);
    }
  }

  #remove(row) {
    const gone = this.#elements.get(row.key);
    if (!gone) return;
    const block = gone.parentElement;
    const next = this.#transcript.row((gone.nextElementSibling ?? block.nextElementSibling?.firstElementChild)?.dataset.key);
    gone.remove();
    if (!block.childElementCount) block.remove();
    this.#elements.delete(row.key);
    if (next) this.#group(next, this.#transcript.rows[this.#transcript.rows.lastIndexOf(next) - 1]);
  }

  #insert(row) {
    const made = makeRow(row);
    this.#elements.set(row.key, made);
    const { rows } = this.#transcript;
    const place = rows.lastIndexOf(row);
    const next = rows.slice(place + 1).find((one) => this.#elements.has(one.key));
    if (next) this.#elements.get(next.key).before(made);
    else this.#lastBlock().append(made);
    this.#group(row, rows[place - 1]);
    if (next) this.#group(next, row);
    if (!this.#following) this.#onFollow(false, (this.#unseen += 1));
  }

  #lastBlock() {
    const last = this.#rows.lastElementChild;
    if (last && last.childElementCount < ROWS_IN_BLOCK) return last;
    return this.#rows.appendChild(element("div", { class: "block", role: "presentation" }));
  }

  /** The name of the speaker stands at the first row of a turn only. */
  #group(row, before) {
    const goesOn = row.kind === "segment" && before?.kind === "segment" && before.channel === row.channel
      && row.at - (before.end ?? before.at) < SAME_TURN_MS;
    this.#elements.get(row.key).classList.toggle("continued", Boolean(goesOn));
  }

  #announce(changes) {
    if (!this.#live) return;
    const finals = changes.map((one) => one.row).filter((row) => row.state === "final");
    if (!finals.length || finals.length > MOST_ANNOUNCED) return;
    for (const row of finals) this.#live.append(element("p", { text: plainText(row, false) }));
    while (this.#live.childElementCount > 4) this.#live.firstChild.remove();
  }

  #scrolled() {
    const top = this.#scroller.scrollTop;
    const isUp = top < this.#lastTop - 1;
    this.#lastTop = top;
    if (this.#distance() <= AT_END_PX) this.#set(true);
    else if (isUp) this.#set(false);
  }

  #distance() {
    return this.#scroller.scrollHeight - this.#scroller.clientHeight - this.#scroller.scrollTop;
  }

  #set(following) {
    if (following === this.#following) return;
    this.#following = following;
    this.#unseen = 0;
    this.#onFollow(following, 0);
  }

  #keepEnd() {
    if (!this.#following) return;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#lastTop = this.#scroller.scrollTop;
  }
}
