// The audio worklet of "Talk to it": microphone in, 20 ms of mu-law out; optionally the telephone sound to the ears.

import { TelephoneResampler, decodeMulaw, encodeMulaw } from "./mulaw.js";

const FRAME = 160;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new TelephoneResampler(sampleRate);
    this.waiting = [];
    this.isHeard = false;
    this.ears = [];
    this.step = 8_000 / sampleRate;
    this.at = 0;
    this.port.onmessage = ({ data }) => { this.isHeard = Boolean(data.isHeard); this.ears.length = 0; };
  }

  process([input], [output]) {
    const block = input[0];
    if (block) this.#take(this.resampler.feed(block));
    if (this.isHeard && output?.[0]) this.#play(output);
    return true;
  }

  #take(samples) {
    for (const sample of samples) {
      const byte = encodeMulaw(sample);
      this.waiting.push(byte);
      if (this.isHeard) this.ears.push(decodeMulaw(byte));
    }
    while (this.waiting.length >= FRAME) {
      const frame = Uint8Array.from(this.waiting.splice(0, FRAME));
      this.port.postMessage(frame.buffer, [frame.buffer]);
    }
    if (this.ears.length > 1_600) this.ears.splice(0, this.ears.length - 800);
  }

  #play(output) {
    const out = output[0];
    for (let place = 0; place < out.length; place += 1) {
      const whole = Math.floor(this.at);
      const here = this.ears[whole] ?? 0;
      out[place] = here + ((this.ears[whole + 1] ?? here) - here) * (this.at - whole);
      if (whole + 1 < this.ears.length) this.at += this.step;
    }
    const used = Math.floor(this.at);
    this.ears.splice(0, used);
    this.at -= used;
    for (const channel of output.slice(1)) channel.set(out);
  }
}

registerProcessor("trunkline-microphone", Microphone);
