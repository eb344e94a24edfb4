// The page that an agent keeps beside the phone: /calls/{id}.

import { AnalysisPanel } from "./analysis.js";
import { Api, askForKey } from "./api.js";
import { BookmarksPanel, FactsPanel, KeywordsPanel } from "./call-panels.js";
import { CallSearch } from "./call-search.js";
import { listenToKeys } from "./call-keys.js";
import { CaptionsView } from "./captions-view.js";
import { ConnectionNotice } from "./connection-notice.js";
import { CallEvents } from "./events.js";
import { FinishedCall } from "./finished-call.js";
import { plainText } from "./row.js";
import { appearanceDialog, requireSession, startShell } from "./shell.js";
import { offerSmallWindow } from "./small-window.js";
import { clock, element, icon, toast } from "./text.js";
import { Transcript } from "./transcript.js";

const find = (selector) => document.querySelector(selector);
const NO_CALL_MS = 500;          // events of a call in progress arrive sooner
const LEVELS = { fewer_partials: "Server busy", no_partials: "Server very busy", no_new_calls: "Server full" };

class CallPage {
  constructor(callId, session) {
    this.callId = callId;
    this.api = new Api();
    this.transcript = new Transcript();
    this.scroller = find(".captions");
    this.view = new CaptionsView(this.scroller, this.transcript, {
      live: find("[data-live]"), onFollow: (isFollowing, unseen) => this.#showFollowing(isFollowing, unseen) });
    const canChange = session.scopes.includes("ingest") || session.scopes.includes("admin");
    this.keywords = new KeywordsPanel(find("[data-keywords]"), this.api, callId, this.transcript, canChange);
    this.bookmarks = new BookmarksPanel(find("[data-bookmarks]"), callId, this.transcript, this.view);
    this.facts = new FactsPanel(find(".facts-list"), this.transcript);
    this.analysis = new AnalysisPanel(find("[data-analysis]"), this.api, callId);
    const places = { timeline: find("[data-timeline]"), player: find("[data-player]"), downloads: find("[data-downloads]"), button: find("[data-tool=timeline]") };
    this.finished = new FinishedCall(places, this.api, callId, this.transcript, this.view);
    this.search = new CallSearch(find(".find"), this.transcript, this.view);
    this.notice = new ConnectionNotice(find("[data-connection]"), () => this.events.retry());
    this.events = new CallEvents({ api: this.api, callId, onEvents: (all) => this.#take(all), onState: (state) => this.#show(state) });
  }

  async start() {
    find("h1").textContent = this.callId;
    document.title = `${this.callId} · Trunkline`;
    this.#prepareTools();
    this.isOver = await this.#isOver();
    if (this.isOver) await this.finished.open();
    this.events.start();
    this.ticking = setInterval(() => this.#tick(), 1_000);
  }

  /** Whether the call is over already.  What goes wrong here, the events tell too. */
  async #isOver() {
    try {
      return (await this.api.json(`/v1/calls/${encodeURIComponent(this.callId)}/status`)).status === "ended";
    } catch {
      return false;
    }
  }

  #take(events) {
    this.view.apply(events.flatMap((event) => this.transcript.apply(event)));
    this.keywords.take(events);
    this.bookmarks.show();
    this.facts.show();
    this.finished.show();
    if (this.transcript.ended) this.analysis.show();
    this.search.refresh();
    this.#showCall();
    const { ended, keywords, rows } = this.transcript;      // the keywords of a call, if it has any, come before its rows
    const isKnown = this.isOver ? ended : keywords.revision >= 0 || rows.length > 0;
    if (isKnown) document.body.classList.remove("loading");
  }

  #show(state) {
    this.notice.show(state);
    this.state = state.kind;
    if (state.kind === "refused" && state.error.isUnauthorised) askForKey();
    if (state.kind !== "connecting") setTimeout(() => document.body.classList.remove("loading"), NO_CALL_MS);
    this.#showCall();
  }

  #showCall() {
    const { call, ended, level, rows } = this.transcript;
    const status = find("[data-status]");
    const [text, tone] = ended ? ["Ended", ""] : call ? ["Live", this.state === "live" ? "live good" : "warn"] : ["Not begun", ""];
    status.textContent = this.state === "waiting" && !ended ? "Disconnected" : text;
    status.className = `chip ${tone}`;
    find("[data-level]").hidden = ended || level === "normal";
    find("[data-level]").textContent = LEVELS[level] ?? level;
    find("[data-language]").hidden = !call;
    find("[data-language]").textContent = call?.language ?? "";
    this.#showEmpty(!rows.length, call);
    this.#tick();
  }

  #showEmpty(isEmpty, call) {
    const place = find(".waiting-for-call");
    const refused = this.state === "refused";
    place.hidden = !isEmpty || !["live", "refused", "ended"].includes(this.state);
    const title = refused ? "This call cannot be shown" : call ? "Nobody has spoken yet" : "This call has not begun";
    const text = refused ? "Your key does not permit it." : call ? "What is said appears here." : "The page shows it when it begins. If it should be there, check its id.";
    if (place.dataset.shown === title) return;
    place.dataset.shown = title;
    place.replaceChildren(icon(refused ? "lock" : "phone"), element("h2", { text: title }), element("p", { text }));
  }

  #tick() {
    const { call, ended, latest } = this.transcript;
    const since = call && !ended ? Date.now() - call.started_at * 1000 : 0;
    const shown = ended ? ended.duration_ms : Math.max(latest, Math.min(since, latest + 6 * 3_600_000));
    find(".elapsed").textContent = clock(shown);
  }

  #showFollowing(isFollowing, unseen) {
    const button = find(".live-button");
    const isOver = Boolean(this.transcript.ended);
    button.hidden = isFollowing;
    button.replaceChildren(icon("down"), isOver ? "To the end" : unseen ? `Back to live · ${unseen} new` : "Back to live");
  }

  #prepareTools() {
    for (const tool of document.querySelectorAll("[data-tool]")) {
      if (tool.dataset.tool !== "side") tool.append(icon(tool.dataset.tool));
    }
    find(".find button").append(icon("close"));
    find(".live-button").addEventListener("click", () => this.view.follow());
    find("[data-tool=search]").addEventListener("click", () => this.search.open());
    const help = listenToKeys(this);
    find("[data-tool=help]").addEventListener("click", help);
    find("[data-tool=side]").addEventListener("click", (event) => {
      const isShown = find(".side").classList.toggle("shown");
      event.currentTarget.setAttribute("aria-expanded", String(isShown));
    });
    offerSmallWindow(find("[data-tool=window]"), find(".stage"), this.scroller);
    this.keywords.offerSelection(this.scroller);
  }

  /** Copy the current row, or the newest, with its time. */
  async copy() {
    const row = this.transcript.row(this.view.current()) ?? this.transcript.rows.at(-1);
    if (!row) return;
    try {
      await navigator.clipboard.writeText(plainText(row));
      toast("Copied");
    } catch {
      toast("The browser did not permit copying");
    }
  }

  /** Mark the current row, or the newest; a marked one is unmarked. */
  bookmark() {
    const turns = this.transcript.rows.filter((row) => row.kind === "segment");
    const row = this.transcript.row(this.view.current()) ?? turns.at(-1);
    if (row) this.bookmarks.toggle(row);
  }

  appearance() {
    appearanceDialog().showModal();
  }
}

startShell();
const session = await requireSession();
const page = new CallPage(decodeURIComponent(location.pathname.split("/")[2]), session);
page.start();
