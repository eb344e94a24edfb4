// The captions of one call in a frame of another site: /embed/{id}#token=...
//
// To the parent page, by postMessage: {source: "trunkline", type, call_id, ...} with `type`
//   state     `state`: connecting, live, waiting, ended, refused
//   final     `segment_id`, `role`, `start_ms`, `end_ms`, `text`, `keywords`; also of history
//   keyword   `term`, `segment_id`: a keyword was heard
//   token     the token is not valid any more: send {target: "trunkline", type: "token", token: "..."}
// Only pages whose origin is in `embedded_by` can show this page at all, so they are the only ones that listen.

import { Api } from "./api.js";
import { CaptionsView } from "./captions-view.js";
import { CallEvents } from "./events.js";
import { clock, element, icon } from "./text.js";
import { Transcript } from "./transcript.js";

const find = (selector) => document.querySelector(selector);
const callId = decodeURIComponent(location.pathname.split("/")[2]);
const WORDS = { connecting: "Connecting", live: "Live", waiting: "Disconnected", ended: "Ended", refused: "No access" };

class Embed {
  constructor(token) {
    this.transcript = new Transcript();
    this.view = new CaptionsView(find(".captions"), this.transcript, {
      live: find("[data-live]"),
      onFollow: (isFollowing, unseen) => {
        find(".live-button").hidden = isFollowing;
        find(".live-button").replaceChildren(icon("down"), unseen ? `${unseen} new` : "Back to live");
      },
    });
    find(".live-button").addEventListener("click", () => this.view.follow());
    this.connect(token);
  }

  connect(token) {
    this.events?.close();
    this.events = new CallEvents({ api: new Api({ token }), callId, after: this.events?.seq ?? 0,
      onEvents: (all) => this.take(all), onState: (state) => this.show(state) });
    this.events.start();
  }

  take(events) {
    this.view.apply(events.flatMap((event) => this.transcript.apply(event)));
    for (const event of events) {
      if (event.type !== "segment.final" || !event.text) continue;
      const { segment_id, role, start_ms, end_ms, text, keywords = [] } = event;
      tell("final", { segment_id, role, start_ms, end_ms, text, keywords });
      for (const term of keywords) tell("keyword", { term, segment_id });
    }
    find(".elapsed").textContent = clock(this.transcript.ended?.duration_ms ?? this.transcript.latest);
    this.showEmpty();
  }

  show(state) {
    this.state = this.transcript.ended ? "ended" : state.kind;
    const isExpired = state.kind === "refused" && state.error.isUnauthorised;
    find("[data-status]").textContent = WORDS[this.state];
    find("[data-status]").className = `chip ${{ live: "live good", waiting: "warn", refused: "bad" }[this.state] ?? ""}`;
    find("[data-note]").textContent = this.state === "waiting" ? "Missed text follows." : "";
    tell("state", { state: this.state });
    if (isExpired) tell("token");
    this.showEmpty(state.kind === "refused" ? refusal(isExpired) : null);
  }

  showEmpty(refused = null) {
    const place = find(".waiting-for-call");
    const isEmpty = !this.transcript.rows.length;
    place.hidden = !isEmpty || !["live", "refused", "ended"].includes(this.state);
    if (place.hidden) return find("[data-note]").append(refused ? refused[0] : "");
    const [title, text] = refused ?? ["Waiting for the call", "What is said appears here."];
    place.replaceChildren(icon(refused ? "lock" : "phone"), element("h2", { text: title }), element("p", { text }));
  }
}

function refusal(isExpired) {
  return isExpired ? ["The access has expired", "Open this call again in your own system."] : ["No access", "The token is for another call."];
}

/** Tell the parent page.  The referrer names it; browsers that keep it back deliver to any parent, all are permitted. */
function tell(type, more = {}) {
  if (window.parent === window) return;
  const to = document.referrer && URL.canParse(document.referrer) ? new URL(document.referrer).origin : "*";
  window.parent.postMessage({ source: "trunkline", type, call_id: callId, ...more }, to);
}

const embed = new Embed(new URLSearchParams(location.hash.slice(1)).get("token") ?? "");
history.replaceState(null, "", location.pathname);   // the token does not stay in the address

addEventListener("message", (event) => {
  if (event.source !== window.parent || event.data?.target !== "trunkline" || event.data.type !== "token") return;
  if (typeof event.data.token === "string") embed.connect(event.data.token);
});
