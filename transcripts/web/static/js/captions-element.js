// <trunkline-captions server="https://calls.example.com" call="c-17" token="...">: captions without a frame.
//
// Served as one file, /trunkline-captions.js, with the modules that it needs and CAPTIONS_CSS.  The site's origin must
// be in `allowed_origins` of the API.  Events: `trunkline-state`, `trunkline-final`; `detail` as in embed.js.

import { Api } from "./api.js";
import { CaptionsView } from "./captions-view.js";
import { CallEvents } from "./events.js";
import { element } from "./text.js";
import { Transcript } from "./transcript.js";

const HOST_CSS = ":host { display: block; height: 20rem; } .captions { height: 100%; }";

class TrunklineCaptions extends HTMLElement {
  static observedAttributes = ["call", "token", "server"];
  #events = null;
  #shown = "";

  connectedCallback() {
    this.#connect();
  }

  disconnectedCallback() {
    this.#events?.close();
    this.#events = null;
    this.#shown = "";
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#connect();
  }

  /** A new token goes on where the old one ended; another call begins anew. */
  #connect() {
    const call = this.getAttribute("call");
    const target = `${this.getAttribute("server") ?? ""} ${call}`;
    if (!call) return;
    if (this.#shown !== target) this.#begin();
    const after = this.#shown === target ? (this.#events?.seq ?? 0) : 0;
    this.#shown = target;
    this.#events?.close();
    this.#events = new CallEvents({
      api: new Api({ token: this.getAttribute("token") ?? "", base: (this.getAttribute("server") ?? "").replace(/\/$/, "") }),
      callId: call, after,
      onEvents: (events) => this.#take(events),
      onState: (state) => this.#tell("trunkline-state", { state: state.kind, call_id: call }),
    });
    this.#events.start();
  }

  #begin() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CAPTIONS_CSS + HOST_CSS);
    root.adoptedStyleSheets = [sheet];
    const scroller = element("section", { class: "captions", tabindex: "0", "aria-label": "Transcript" });
    const live = element("div", { class: "visually-hidden", "aria-live": "polite", role: "log" });
    root.replaceChildren(scroller, live);
    this.transcript = new Transcript();
    this.view = new CaptionsView(scroller, this.transcript, { live });
  }

  #take(events) {
    this.view.apply(events.flatMap((event) => this.transcript.apply(event)));
    for (const event of events) {
      if (event.type === "segment.final" && event.text) this.#tell("trunkline-final", event);
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

customElements.define("trunkline-captions", TrunklineCaptions);
