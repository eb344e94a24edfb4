"""
Speech whose words can be recognised from its samples, and an engine that recognises them.

Eight syllables, cut from human speech, stand for the digits 0 to 7. The engine finds them by correlation. Its
output depends only on the audio, so every final can be compared with the digits that were spoken.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.clock import UPSAMPLING
from workers.engines.base import Capabilities, Hypothesis, RecognisedWord, Utterance

_PROMPTS = Path(__file__).parent.parent / "tests" / "speech" / "prompts"

SYLLABLE = 2_000
"""Samples of the call clock in a syllable: a quarter of a second."""

BASE = 8
POISON = "7777"
"""Digits that end the process of the engine that reads them."""

WORDS = {
    "en": tuple("01234567"),
    "de": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben"),
}
"""What the engine of each language writes for the digits, so that a text shows which engine wrote it."""

_ALIKE = 0.7
"""Correlation above which a stretch of audio is a syllable; other syllables stay below 0.5."""

Signal = npt.NDArray[np.float32]


def syllables() -> list[Pcm]:
    """Return the loudest quarter of a second of each of eight prompts, at equal level, 8 kHz."""
    return [
        _loudest(read_recording(path).channels[0]) for path in sorted(_PROMPTS.glob("*.wav"))[:BASE]
    ]


def speak(digits: str, said: Sequence[Pcm]) -> Pcm:
    """Return the audio of the digits one after the other, without a pause."""
    return np.concatenate([said[int(digit)] for digit in digits])


def _loudest(pcm: Pcm) -> Pcm:
    signal = pcm.astype(np.float64)
    start = int(np.argmax(_energy(signal)))
    cut = signal[start : start + SYLLABLE]
    fade = np.minimum(1.0, np.minimum(np.arange(SYLLABLE), np.arange(SYLLABLE)[::-1]) / 80)
    faded: Pcm = (cut * fade * 12_000 / np.abs(cut).max()).astype(np.int16)
    return faded


class Reader:
    """An engine that writes the digits it finds, each as a word with its time."""

    def __init__(self, language: str = "en", *, mortal: bool = True) -> None:
        """`mortal`: reading `POISON` ends the process, as a segmentation fault would."""
        self.capabilities = Capabilities(
            f"spoken-digits-{language}",
            frozenset({language}),
            max_batch=8,
            word_times="correlation",
        )
        self._words = WORDS[language]
        self._mortal = mortal
        self._templates = [_unit(one.astype(np.float32)) for one in syllables()]

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """Return one hypothesis for each utterance. Raises ValueError for the language of another engine."""
        if any(one.language not in self.capabilities.languages for one in batch):
            raise ValueError("asked for a language that this engine does not know")
        return [self._read(one.samples[::UPSAMPLING]) for one in batch]

    def _read(self, heard: Signal) -> Hypothesis:
        found = self._find(heard)
        if self._mortal and POISON in "".join(str(digit) for _, digit in found):
            os._exit(139)
        return Hypothesis(
            tuple(
                RecognisedWord(self._words[digit], UPSAMPLING * at, UPSAMPLING * (at + SYLLABLE))
                for at, digit in found
            )
        )

    def _find(self, heard: Signal) -> list[tuple[int, int]]:
        """Return the position of each syllable, in samples of the call clock, and its digit."""
        if len(heard) < SYLLABLE:
            return []
        energy = _energy(heard)
        loudness = np.sqrt(np.maximum(energy, 1e-6))
        likeness = np.stack([_correlate(heard, one) / loudness for one in self._templates])
        best, which = likeness.max(axis=0), likeness.argmax(axis=0)
        found: list[tuple[int, int]] = []
        while best.size and (place := int(best.argmax())) is not None and best[place] > _ALIKE:
            found.append((place, int(which[place])))
            best[max(0, place - SYLLABLE // 2) : place + SYLLABLE // 2] = 0
        return sorted(found)


def _energy(signal: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Energy of each stretch as long as a syllable."""
    summed: npt.NDArray[np.float64] = np.cumsum(
        np.concatenate([[0.0], signal.astype(np.float64) ** 2])
    )
    return summed[SYLLABLE:] - summed[:-SYLLABLE]


def _unit(template: Signal) -> Signal:
    return template / np.float32(np.linalg.norm(template))


def _correlate(heard: Signal, template: Signal) -> npt.NDArray[np.float64]:
    """Correlate the template with every position of `heard`, by FFT."""
    size = 1 << (len(heard) + len(template) - 1).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(template, size))
    return np.fft.irfft(product, size)[: len(heard) - len(template) + 1]
