// Telephone sound in the page: resampling to 8 kHz and mu-law (ITU-T G.711).  Pure; also used by the audio worklet.

const BIAS = 0x84;
const CLIP = 32_635;

/** Encode a sample, -1 to 1, as mu-law. */
export function encodeMulaw(sample) {
  let value = Math.round(Math.max(-1, Math.min(1, sample)) * 32_767);
  const sign = value < 0 ? 0x80 : 0;
  value = Math.min(CLIP, Math.abs(value)) + BIAS;
  let exponent = 7;
  for (let mask = 0x4000; !(value & mask) && exponent > 0; mask >>= 1) exponent -= 1;
  return ~(sign | (exponent << 4) | ((value >> (exponent + 3)) & 0x0f)) & 0xff;
}

/** Decode mu-law to a sample, -1 to 1. */
export function decodeMulaw(byte) {
  const bits = ~byte & 0xff;
  const exponent = (bits >> 4) & 0x07;
  const value = (((bits & 0x0f) << 3) + BIAS) << exponent;
  return ((bits & 0x80 ? -1 : 1) * (value - BIAS)) / 32_768;
}

/** The taps of a low-pass filter: windowed sinc.  `cutoff`: share of the sample rate; `length`: odd. */
export function lowPass(cutoff, length) {
  const middle = (length - 1) / 2;
  const taps = Float32Array.from({ length }, (_, place) => {
    const x = place - middle;
    const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x);
    return sinc * (0.42 - 0.5 * Math.cos((2 * Math.PI * place) / (length - 1)) + 0.08 * Math.cos((4 * Math.PI * place) / (length - 1)));
  });
  const sum = taps.reduce((total, one) => total + one, 0);
  return taps.map((one) => one / sum);
}

/** Resamples a stream to 8 kHz: low-pass at 3.4 kHz, then linear interpolation between filtered samples. */
export class TelephoneResampler {
  constructor(rate) {
    this.step = rate / 8_000;
    this.taps = lowPass(3_400 / rate, 129);
    this.history = new Float32Array(this.taps.length - 1);
    this.position = 0;      // of the next output, in input samples from the first of the next block
    this.previous = 0;
  }

  /** Take samples at the input rate; returns samples at 8 kHz. */
  feed(block) {
    const { taps, history } = this;
    const input = new Float32Array(history.length + block.length);
    input.set(history);
    input.set(block, history.length);
    this.history = input.slice(input.length - history.length);
    const filtered = new Float32Array(block.length + 1);
    filtered[0] = this.previous;
    for (let at = 0; at < block.length; at += 1) {
      let sum = 0;
      for (let tap = 0; tap < taps.length; tap += 1) sum += input[at + tap] * taps[tap];
      filtered[at + 1] = sum;
    }
    this.previous = filtered[block.length];
    const out = [];
    for (; this.position < block.length; this.position += this.step) {
      const whole = Math.floor(this.position);
      const part = this.position - whole;
      out.push(filtered[whole] * (1 - part) + filtered[whole + 1] * part);
    }
    this.position -= block.length;
    return out;
  }
}
