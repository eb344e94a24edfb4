// The parts of a row or tile of a call in progress.  Each is made once and changes in place, only where it differs.

import { clock, element, icon, roleName } from "./text.js";
import { about, talkShare, talkWords, troubles, who } from "./live-rows.js";

const MOST_KEYWORDS = 3;

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The elements of one call, which the table and the wall arrange. */
export class CallCells {
  #shown = "";
  #troubles = "";
  #keywords = "";

  constructor(row) {
    this.id = row.call_id;
    this.name = element("a", { class: "who said", dir: "auto", href: `/calls/${encodeURIComponent(row.call_id)}` });
    this.about = element("span", { class: "about said muted small", dir: "auto" });
    this.since = element("time", { class: "since numbers" });
    this.language = element("span", { class: "chip" });
    this.words = element("span", { class: "words said", dir: "auto" });
    this.speaker = element("span", { class: "speaker" });
    this.talk = element("span", { class: "talk", role: "img" });
    this.keywords = element("span", { class: "chips" });
    this.troubles = element("span", { class: "chips" });
    this.update(row);
  }

  update(row) {
    this.row = row;
    setText(this.name, who(row));
    setText(this.about, about(row));
    setText(this.language, row.language);
    this.#showWords(row);
    this.#showTalk(row);
    this.#showChips(row);
    this.tick(Date.now());
  }

  /** Show the time of the call.  `now`: ms since 1970. */
  tick(now) {
    setText(this.since, this.row.ended ? "ended" : clock(Math.max(0, now - this.row.started_at * 1000)));
  }

  #showWords({ last, speaking, ended }) {
    const role = last?.role ?? speaking[0] ?? "";
    setText(this.words, last?.text ?? (ended ? "" : speaking.length ? "…" : ""));
    this.words.classList.toggle("partial", Boolean(last?.partial));
    if (this.speaker.dataset.role === role) return;
    this.speaker.dataset.role = role;
    this.speaker.replaceChildren(...(role ? [icon(role), element("span", { class: "visually-hidden", text: `${roleName(role)}:` })] : []));
  }

  #showTalk(row) {
    const label = talkWords(row);
    if (this.#shown === label) return;
    this.#shown = label;
    this.talk.setAttribute("aria-label", label);
    this.talk.title = label;
    this.talk.replaceChildren(...talkShare(row).map(([role, share]) => {
      const part = element("span", { class: role });
      part.style.flexGrow = share;
      return part;
    }));
  }

  #showChips(row) {
    const found = Object.entries(row.keywords);
    const keywords = JSON.stringify(found);
    if (this.#keywords !== keywords) {
      this.#keywords = keywords;
      const chips = found.slice(0, MOST_KEYWORDS).map(([term, count]) =>
        element("span", { class: "chip accent said", dir: "auto", text: count > 1 ? `${term} ×${count}` : term }));
      if (found.length > MOST_KEYWORDS) {
        const rest = found.slice(MOST_KEYWORDS).map(([term]) => term).join(", ");
        chips.push(element("span", { class: "chip", text: `+${found.length - MOST_KEYWORDS}`, title: rest }));
      }
      this.keywords.replaceChildren(...chips);
    }
    const wrong = troubles(row);
    const told = JSON.stringify([wrong, row.cards]);
    if (this.#troubles !== told) {
      this.#troubles = told;
      const chips = wrong.map(({ tone, text, title }) => element("span", { class: `chip ${tone}`, text, title }));
      if (row.cards) chips.push(element("span", { class: "chip accent", text: row.cards === 1 ? "1 card" : `${row.cards} cards` }));
      this.troubles.replaceChildren(...(chips.length ? chips : [element("span", { class: "chip good", text: "Good" })]));
    }
  }
}
