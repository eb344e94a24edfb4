"""
Evaluation of the encoder's CTC head: text, alignment, and detection of speech.

Labels: 0 is blank, 1 to 255 are the characters of Latin-1, 256 to 347 phonetic units of Japanese.  One frame is
20 ms.  Pure functions over numpy arrays of log-probabilities [frames, labels].
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ...base import RecognisedWord

BLANK = 0
SPACE = ord(" ")
CHARACTERS = 256
FRAME_SAMPLES = 320

FOUND_POSTERIOR = 0.02
"""A letter whose posterior reaches this value in its place counts as spoken; letters not spoken stay far below."""

DIGITS = 3
"""Decimal places of a confidence: further digits depend on the size of the batch."""

LogProbs = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Emission:
    """One label of the greedy path: its first frame, the frame after its last, and its highest probability."""

    label: int
    first: int
    last: int
    probability: float


@dataclass(frozen=True, slots=True)
class Aligned:
    """The frames of one label of a given text, and its highest probability there."""

    first: int
    last: int
    """The frame after its last one."""

    probability: float


def emissions(labels: Labels, probabilities: npt.NDArray[np.float32]) -> tuple[Emission, ...]:
    """The greedy path without blanks and repetitions.  Arguments: the best of each frame, each [frames]."""
    if not len(labels):
        return ()
    starts = np.flatnonzero(np.diff(labels, prepend=-1))
    ends = np.append(starts[1:], len(labels))
    return tuple(
        Emission(int(labels[start]), int(start), int(end), float(probabilities[start:end].max()))
        for start, end in zip(starts, ends, strict=True)
        if labels[start] != BLANK
    )


def has_speech(labels: Labels) -> bool:
    """Whether the label of any frame is neither blank nor space."""
    return bool(np.any((labels != BLANK) & (labels != SPACE)))


def text_of(path: Sequence[Emission]) -> str:
    """The characters of a greedy path.  Phonetic units have no fixed spelling and are omitted."""
    return "".join(chr(one.label) for one in path if one.label < CHARACTERS).strip()


def words_of(path: Sequence[Emission], samples: int) -> tuple[RecognisedWord, ...]:
    """The words of a greedy path over `samples` samples; the confidence is the mean probability of the letters."""
    words: list[list[Emission]] = [[]]
    for one in path:
        if one.label == SPACE:
            words.append([])
        elif one.label < CHARACTERS:
            words[-1].append(one)
    return tuple(
        RecognisedWord(
            "".join(chr(one.label) for one in word),
            min(word[0].first * FRAME_SAMPLES, samples),
            min(word[-1].last * FRAME_SAMPLES, samples),
            round(sum(one.probability for one in word) / len(word), DIGITS),
        )
        for word in words
        if word
    )


def letters(word: str) -> list[int]:
    """The labels that spell `word`, as far as the CTC head can: lower case, letters and digits, Latin-1."""
    return [ord(sign) for sign in word.lower() if sign.isalnum() and ord(sign) < CHARACTERS]


def place(words: Sequence[str], log_probs: LogProbs) -> list[list[Aligned]]:
    """
    Align the letters of each word to the audio, by the likeliest CTC path through exactly these words.

    A word without letters that the CTC head knows gets an empty list.  All are empty when the audio is too short.
    """
    spelt = [letters(word) for word in words]
    labels: list[int] = []
    owners: list[int | None] = []
    for number, word in enumerate(spelt):
        if word and labels:
            labels, owners = [*labels, SPACE], [*owners, None]
        labels += word
        owners += [number] * len(word)
    placed: list[list[Aligned]] = [[] for _ in words]
    for owner, found in zip(owners, align(labels, log_probs) or [], strict=False):
        if owner is not None:
            placed[owner].append(found)
    return placed


def align(labels: Sequence[int], log_probs: LogProbs) -> list[Aligned] | None:
    """Viterbi alignment over the CTC paths that spell `labels`; None when there are too few frames."""
    repeats = sum(one == other for one, other in pairwise(labels))
    if not labels or len(labels) + repeats > len(log_probs):
        return None
    states = np.full(2 * len(labels) + 1, BLANK)
    states[1::2] = labels
    path = _best_path(states, np.ascontiguousarray(log_probs[:, states]))
    numbers = 2 * np.arange(len(labels)) + 1
    firsts = np.searchsorted(path, numbers)  # states never go back
    ends = np.searchsorted(path, numbers, side="right")
    spans = []
    for label, first, last in zip(labels, firsts.tolist(), ends.tolist(), strict=True):
        best = float(np.exp(log_probs[first:last, label].max()))
        spans.append(Aligned(first, last, best))
    return spans


def spans(placed: Sequence[Sequence[Aligned]], samples: int) -> list[tuple[int, int] | None]:
    """
    Start and end of each word, in samples at 16 kHz, in an utterance of `samples` samples.

    A word that was not aligned gets the time between its neighbours.  If no word was aligned, all are None.
    """
    if not any(placed):
        return [None] * len(placed)
    end = -(-samples // FRAME_SAMPLES)
    result: list[tuple[int, int] | None] = []
    for number, word in enumerate(placed):
        before = next((other[-1].last for other in reversed(placed[:number]) if other), 0)
        behind = next((other[0].first for other in placed[number + 1 :] if other), end)
        first, last = (word[0].first, word[-1].last) if word else (before, behind)
        result.append((min(first * FRAME_SAMPLES, samples), min(last * FRAME_SAMPLES, samples)))
    return result


def support(placed: Sequence[Aligned]) -> float | None:
    """
    Share of letters that the audio supports in their aligned place: 1 spoken, 0 invented.

    Names are often spelt differently from their sound, so one third is much.  None when there are no letters.
    """
    if not placed:
        return None
    return sum(one.probability >= FOUND_POSTERIOR for one in placed) / len(placed)


def _best_path(states: npt.NDArray[np.int64], scores: LogProbs) -> npt.NDArray[np.int64]:
    """The state of each frame.  A path may stay, advance by one, or skip the blank between two different labels."""
    frames, count = scores.shape
    leap = np.full(count, -np.inf, np.float32)
    leap[2:][(states[2:] != BLANK) & (states[2:] != states[:-2])] = 0.0
    total = np.full(count + 2, -np.inf, np.float32)  # two impossible states in front
    total[2:4] = scores[0, :2]
    stayed, went = total[2:], total[1:-1]
    on, over = np.zeros((frames, count), np.bool_), np.zeros((frames, count), np.bool_)
    best, leapt = np.empty(count, np.float32), np.empty(count, np.float32)
    for frame in range(
        1, frames
    ):  # the innermost loop of a final: six operations, nothing allocated
        np.greater(went, stayed, out=on[frame])
        np.maximum(went, stayed, out=best)
        np.add(total[:-2], leap, out=leapt)
        np.greater(leapt, best, out=over[frame])
        np.maximum(best, leapt, out=best)
        np.add(best, scores[frame], out=stayed)
    path = np.zeros(frames, np.int64)
    path[-1] = count - 1 if total[-1] >= total[-2] else count - 2
    for frame in range(frames - 1, 0, -1):
        state = path[frame]
        path[frame - 1] = state - (2 if over[frame, state] else int(on[frame, state]))
    return path
