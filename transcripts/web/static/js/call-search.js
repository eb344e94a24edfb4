// Search in the call.  Found words are coloured by the CSS Custom Highlight API, which changes no element.

const HAS_HIGHLIGHTS = typeof Highlight === "function" && "highlights" in CSS;

export class CallSearch {
  #form; #input; #output; #transcript; #view;
  #rows = [];
  #at = -1;

  constructor(form, transcript, view) {
    this.#form = form;
    this.#input = form.querySelector("input");
    this.#output = form.querySelector("output");
    this.#transcript = transcript;
    this.#view = view;
    this.#input.addEventListener("input", () => { this.#at = -1; this.refresh(); });
    form.addEventListener("submit", (event) => { event.preventDefault(); this.step(1); });
    form.querySelector("button").addEventListener("click", () => this.close());
    this.#input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      else if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); this.step(-1); }
    });
  }

  open() {
    this.#form.hidden = false;
    this.#input.focus();
    this.#input.select();
    this.refresh();
  }

  close() {
    const current = this.#view.element(this.#rows[this.#at]?.key);
    this.#form.hidden = true;
    this.#input.value = "";
    this.#at = -1;
    this.refresh();
    current?.focus({ preventScroll: true });
  }

  /** Search again, after a change of the words or of the transcript. */
  refresh() {
    const wanted = folded(this.#input.value.trim());
    this.#rows = wanted ? this.#transcript.rows.filter((row) => row.text && folded(row.text).includes(wanted)) : [];
    this.#output.textContent = wanted ? (this.#rows.length ? `${this.#at + 1 || "–"} of ${this.#rows.length}` : "not found") : "";
    if (HAS_HIGHLIGHTS) this.#colour(wanted);
  }

  /** Show the next (1) or previous (-1) row with the words; the newest comes first. */
  step(by) {
    if (!this.#rows.length) return;
    const last = this.#rows.length - 1;
    this.#at = this.#at < 0 ? last : (this.#at - by + this.#rows.length) % this.#rows.length;
    this.#view.show(this.#rows[this.#at].key);
    this.#input.focus({ preventScroll: true });
    this.refresh();
  }

  #colour(wanted) {
    CSS.highlights.delete("search");
    CSS.highlights.delete("search-current");
    if (!wanted) return;
    const current = this.#rows[this.#at]?.key;
    const all = new Highlight();
    const shown = new Highlight();
    for (const row of this.#rows) {
      for (const range of ranges(this.#view.element(row.key), wanted)) (row.key === current ? shown : all).add(range);
    }
    CSS.highlights.set("search", all);
    CSS.highlights.set("search-current", shown);
  }
}

/** Lower case without accents, of the same length as `text`, so that positions fit. */
function folded(text) {
  return [...text].map((one) => {
    const plain = one.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    return plain.length === one.length ? plain : one;
  }).join("");
}

/** The ranges of the words in the text nodes of a row.  Words that continue in another node are not coloured. */
function* ranges(place, wanted) {
  const words = place?.querySelector(".words");
  if (!words) return;
  const nodes = document.createTreeWalker(words, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const text = folded(nodes.currentNode.data);
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      const range = new Range();
      range.setStart(nodes.currentNode, at);
      range.setEnd(nodes.currentNode, at + wanted.length);
      yield range;
    }
  }
}
