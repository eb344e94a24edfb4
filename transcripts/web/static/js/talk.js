// Talk to it: the visitor's microphone as a call, in the native protocol, as a telephone network would carry it.

import { Api } from "./api.js";
import { decodeMulaw } from "./mulaw.js";
import { requireSession, startShell } from "./shell.js";
import { element } from "./text.js";

const MOST_LINES = 200;
const NEW_KEY_MS = 8_000;
const MOST_BUFFERED = 64_000;      // bytes: 8 s that the network has not taken
const find = (selector) => document.querySelector(selector);
const api = new Api();

const TROUBLES = {
  NotAllowedError: "The browser has no permission for the microphone. Allow it in the address bar, then start again.",
  NotFoundError: "No microphone was found.",
  NotReadableError: "Another program uses the microphone.",
};

class TalkPage {
  #socket = null;
  #audio = null;
  #stream = null;
  #lines = new Map();

  constructor(known) {
    this.known = known;
    this.url = this.#gateway();
    find("[data-start]").addEventListener("click", () => this.start());
    find("[data-stop]").addEventListener("click", () => this.stop());
    find("[name=listen]").addEventListener("change", () => this.#setListening());
    find("label[data-key]").hidden = !known.needs_key || known.can_make_keys;
    addEventListener("pagehide", () => this.stop());
    find("[data-start]").disabled = false;      // before that, a click would have no effect
  }

  #gateway() {
    const secure = location.protocol === "https:";
    const base = this.known.gateway_url || `${secure ? "wss" : "ws"}://${location.hostname}:8080`;
    return new URL("/v1/calls", base.replace("://0.0.0.0", `://${location.hostname}`)).href;
  }

  async start() {
    this.#complain("");
    find("[data-start]").disabled = true;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: false, autoGainControl: true } });
      await this.#connectPatiently(await this.#key());
      await this.#listen();
    } catch (error) {
      this.#complain(navigator.mediaDevices ? TROUBLES[error.name] ?? error.message : "Browsers permit the microphone on https:// pages and on localhost only.");
      this.stop();
      find("[data-start]").disabled = false;
    }
  }

  /** A key that expires in an hour, if this reader may make one; else what was entered. */
  async #key() {
    if (!this.known.needs_key) return "";
    if (!this.known.can_make_keys) return find("[name=key]").value.trim();
    return (this.made ??= (await api.json("/v1/keys", { method: "POST", body: { note: "Talk to it", seconds: 3_600 } })).key);
  }

  /** A gateway knows a new key after some seconds. */
  async #connectPatiently(key) {
    const until = performance.now() + (this.made ? NEW_KEY_MS : 0);
    for (;;) {
      try {
        return await this.#connect(key);
      } catch (error) {
        if (performance.now() > until) throw error;
        this.#status("Waiting for the key to be known", "");
        await new Promise((done) => setTimeout(done, 1_000));
      }
    }
  }

  #connect(key) {
    return new Promise((resolve, reject) => {
      const socket = (this.#socket = new WebSocket(this.url, key ? ["token", key] : []));
      socket.binaryType = "arraybuffer";
      let isOpen = false;
      socket.onopen = () => {
        isOpen = true;
        const keywords = find("[name=keywords]").value.split(",").map((one) => one.trim()).filter(Boolean);
        socket.send(JSON.stringify({ type: "start", channels: ["customer"], encoding: "mulaw", sample_rate: 8000,
          language: find("[name=language]").value.trim() || "en", keywords, metadata: { from: "Microphone of a visitor" } }));
        resolve();
      };
      socket.onmessage = ({ data }) => { if (typeof data === "string") this.#take(JSON.parse(data)); };
      socket.onerror = () => reject(new Error(`The gateway at ${this.url} did not accept the call. It must run, accept the key, and have the address of this page in allowed_origins.`));
      socket.onclose = ({ reason }) => { if (isOpen) this.#over(reason); };
    });
  }

  async #listen() {
    const audio = (this.#audio = new AudioContext());
    await audio.audioWorklet.addModule(find("script[data-worklet]").dataset.worklet);
    const node = (this.node = new AudioWorkletNode(audio, "trunkline-microphone", { outputChannelCount: [1] }));
    node.port.onmessage = ({ data }) => this.#send(data);
    audio.createMediaStreamSource(this.#stream).connect(node).connect(audio.destination);
    await audio.resume();
    this.#setListening();
  }

  #setListening() {
    this.node?.port.postMessage({ isHeard: find("[name=listen]").checked });
  }

  #send(frame) {
    const bytes = new Uint8Array(frame);
    this.#showLevel(bytes);
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MOST_BUFFERED) return;      // the network is too slow: the gateway reports what is lost
    socket.send(frame);
  }

  #showLevel(bytes) {
    let power = 0;
    for (const byte of bytes) power += decodeMulaw(byte) ** 2;
    const level = 10 * Math.log10(power / bytes.length + 1e-7);
    const bar = find(".meter span");
    bar.style.transform = `scaleX(${Math.max(0, Math.min(1, (level + 60) / 60))})`;
    bar.classList.toggle("loud", level > -6);
    const now = performance.now();
    if (now - (this.measured ?? 0) < 1_000) return;
    this.measured = now;
    find(".meter").setAttribute("aria-label", `Level of the microphone: ${Math.round(level)} dB`);
  }

  #take(event) {
    if (event.type === "call.started") this.#began(event);
    if (event.type === "segment.partial" || event.type === "segment.final" || event.type === "segment.revised") this.#showLine(event);
    if (event.type === "error") this.#complain(event.message);
  }

  #began(event) {
    this.#status("In a call", "live good");
    find("[data-start]").hidden = true;
    find("[data-stop]").hidden = false;
    const link = find("[data-page]");
    link.href = `/calls/${encodeURIComponent(event.call_id)}`;
    link.hidden = false;
    find("[data-hint]").hidden = true;
    find("[data-lines]").replaceChildren();
    this.#lines.clear();
  }

  #showLine(event) {
    let line = this.#lines.get(event.segment_id);
    if (!event.text && !line) return;
    if (!line) {
      line = element("li", { class: "said", dir: "auto" });
      this.#lines.set(event.segment_id, line);
      find("[data-lines]").append(line);
      if (this.#lines.size > MOST_LINES) find("[data-lines]").firstChild.remove();
    }
    const isPartial = event.type === "segment.partial";
    line.classList.toggle("partial", isPartial);
    if (!event.text) return line.remove();
    if (!isPartial) return void (line.textContent = event.text);
    const stable = event.words.filter((word) => word.stable).map((word) => word.w).join(" ");
    line.replaceChildren(element("b", { text: stable }), ` ${event.text.slice(stable.length).trim()}`);
  }

  stop() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('{"type":"stop"}');
    else this.#socket?.close();
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#audio?.close();
    this.#audio = this.#stream = this.node = null;
    find(".meter span").style.transform = "scaleX(0)";
    find("[data-stop]").hidden = true;
    find("[data-start]").hidden = false;
  }

  #over(reason) {
    this.#socket = null;
    this.stop();
    find("[data-start]").disabled = false;
    this.#status("The call is over", "");
    if (reason && !/^(completed|normal)?$/.test(reason)) this.#complain(reason);
  }

  #status(text, tone) {
    find("[data-status]").textContent = text;
    find("[data-status]").className = `chip ${tone}`;
  }

  #complain(text) {
    find("[role=alert]").textContent = text;
    find("[role=alert]").hidden = !text;
  }
}

startShell();
await requireSession();
globalThis.trunklineTalk = new TalkPage(await api.json("/v1/connect"));
