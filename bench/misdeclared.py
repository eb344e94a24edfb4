"""
False positives and detections of the quality monitor for audio with a wrong declared format.

`python -m bench.misdeclared FOLDER`: feeds every WAV file below FOLDER, with each right and each wrong declaration,
to the quality monitor as a channel does.  A right declaration that is taken for a wrong one loses words, so there
must be none.  Prints a table: files, and the number of channels whose audio would not have been transcribed.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio.quality.monitor import QualityMonitor

_SECONDS = 30
_RNG = np.random.default_rng(1)

Declared = tuple[Pcm, int, float]
"""Samples decoded as declared (int16), the declared rate in Hz, and the arrival rate as a multiple of real time."""


def _noisy(pcm: Pcm, rate: int, decibels: float) -> Pcm:
    hiss = _RNG.normal(0, 32_768 * 10 ** (decibels / 20), len(pcm))
    return np.clip(pcm + hiss, -32_768, 32_767).astype(np.int16)


def _banded(pcm: Pcm, low: float, high: float, rate: int) -> Pcm:
    spectrum, hertz = np.fft.rfft(pcm), np.fft.rfftfreq(len(pcm), 1 / rate)
    spectrum[(hertz < low) | (hertz > high)] = 0
    return np.clip(np.fft.irfft(spectrum, len(pcm)), -32_768, 32_767).astype(np.int16)


def _wide(pcm: Pcm) -> Pcm:
    wide: Pcm = soxr.resample(pcm, 8_000, 16_000)
    return wide


def _bytes_as(encoding: Encoding, pcm: Pcm) -> Pcm:
    payload = encode(pcm, encoding)
    return np.frombuffer(payload[: len(payload) // 2 * 2], dtype=np.int16)


def _stereo(pcm: Pcm) -> Pcm:
    return np.stack([pcm, np.roll(pcm, len(pcm) // 3)], axis=1).reshape(-1)


RIGHT: dict[str, Callable[[Pcm], Declared]] = {
    "linear": lambda pcm: (pcm, 8_000, 1.0),
    "linear at 2 x": lambda pcm: (pcm, 8_000, 2.0),
    "linear at 0.5 x": lambda pcm: (pcm, 8_000, 0.5),
    "linear at 5 x": lambda pcm: (pcm, 8_000, 5.0),
    "noisy at 2 x": lambda pcm: (_noisy(pcm, 8_000, -45), 8_000, 2.0),
    "telephone band": lambda pcm: (_banded(pcm, 300, 3_400, 8_000), 8_000, 2.0),
    "16 kHz, once 8": lambda pcm: (_wide(pcm), 16_000, 1.0),
    "16 kHz, once 8, at 0.5 x": lambda pcm: (_wide(pcm), 16_000, 0.5),
    "16 kHz and noise": lambda pcm: (_noisy(_wide(pcm), 16_000, -50), 16_000, 1.0),
    "16 kHz, telephone band": lambda pcm: (_banded(_wide(pcm), 300, 3_400, 16_000), 16_000, 0.5),
    "mu-law": lambda pcm: (decode(encode(pcm, Encoding.MULAW), Encoding.MULAW), 8_000, 1.0),
    "A-law": lambda pcm: (decode(encode(pcm, Encoding.ALAW), Encoding.ALAW), 8_000, 1.0),
}
WRONG: dict[str, Callable[[Pcm], Declared]] = {
    "8 kHz as 16": lambda pcm: (pcm, 16_000, 0.5),
    "16 kHz as 8": lambda pcm: (_wide(pcm), 8_000, 2.0),
    "mu-law as linear": lambda pcm: (_bytes_as(Encoding.MULAW, pcm), 8_000, 0.5),
    "A-law as linear": lambda pcm: (_bytes_as(Encoding.ALAW, pcm), 8_000, 0.5),
    "linear as mu-law": lambda pcm: (decode(pcm.tobytes(), Encoding.MULAW), 8_000, 2.0),
    "A-law as mu-law": lambda pcm: (decode(encode(pcm, Encoding.ALAW), Encoding.MULAW), 8_000, 1.0),
    "big-endian": lambda pcm: (pcm.byteswap(), 8_000, 1.0),
    "stereo as mono": lambda pcm: (_stereo(pcm), 8_000, 2.0),
}


def uncertain(declared: Declared) -> bool:
    """Whether any of the audio would not be transcribed, fed in frames of 20 ms."""
    pcm, rate, pace = declared
    quality_monitor, size = QualityMonitor(1, rate), rate // 50
    for number, start in enumerate(range(0, len(pcm), size)):
        quality_monitor.arrive(0, (number + 1) * 160, number * 0.02 / pace)
        quality_monitor.feed(
            0, start, np.ascontiguousarray(pcm[start : start + size]), speaking=True
        )
        if quality_monitor.misread(0):
            return True
    return False


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="with WAV files")
    paths = sorted(parser.parse_args().folder.rglob("*.wav"))
    for title, cases in (("right", RIGHT), ("wrong", WRONG)):
        for name, declare in cases.items():
            count = sum(
                uncertain(declare(channel[: 8_000 * _SECONDS]))
                for path in paths
                for channel in read_recording(path).channels
            )
            print(f"{title} {name:28} {len(paths)} files, {count} channels not transcribed")


if __name__ == "__main__":
    main()
