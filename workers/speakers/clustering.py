"""
Assigns the windows of a segment to the speakers of a channel, in the order in which segments become final.  Pure.

What is known of a speaker is the sum of the embeddings of his windows. The windows of a segment are assigned by the
most probable sequence of speakers (Viterbi), in which a change has a price; a new speaker begins where a run of
windows is unlike all known ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_NEW = 0.82
"""A run whose likeness (cosine) to all known speakers is lower is a new speaker (`bench/speakers.py`)."""

_SPLIT = 0.74
"""Two parts of a segment whose likeness is lower are two speakers."""

_CHANGE = 0.1
"""Price of a change of the speaker, as a sum of differences of likeness."""

_SHORTEST = 2
"""Windows of a new speaker, at least: one word that sounds unusual is no speaker."""

_HEAVIEST = 400.0
"""Most windows that count for a speaker: what came later counts more than what is older than that."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A known speaker: the sum of the embeddings of his windows, as 16-bit floats, and their number."""

    total: bytes
    windows: float


@dataclass(frozen=True, slots=True)
class KnownSpeakers:
    """The speakers of a channel, in the order of their first words."""

    voices: tuple[Voice, ...] = ()

    def encode(self) -> bytes:
        """About 520 bytes for each speaker."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, state: bytes) -> "KnownSpeakers":
        """Decode what `encode` made; nothing is known of bytes that are empty or of another version."""
        try:
            return msgspec.msgpack.decode(state, type=cls) if state else cls()
        except msgspec.MsgspecError:
            return cls()


@dataclass(frozen=True, slots=True)
class Assigned:
    """The speaker of each window, and the speakers known afterwards."""

    speakers: tuple[int, ...]
    known: KnownSpeakers


def assign(known: KnownSpeakers, vectors: Floats, most: int) -> Assigned:
    """
    Assign the windows of one segment.

    `vectors`: `[n, size]`, of length 1, n at least 1. `most`: speakers that the channel may have.
    """
    sums = [np.frombuffer(one.total, "<f2").astype(np.float32) for one in known.voices]
    counts = [one.windows for one in known.voices]
    labels = np.zeros(len(vectors), int)
    for first, end in _runs(vectors, sums):
        mean = vectors[first:end].sum(0)
        likeness = [_likeness(mean, one) for one in sums]
        best = int(np.argmax(likeness)) if likeness else 0
        is_new = not sums or (likeness[best] < _NEW and end - first >= _SHORTEST)
        if is_new and len(sums) < most:
            best = len(sums)
            sums.append(np.zeros_like(mean))
            counts.append(0.0)
        sums[best] = sums[best] + mean
        counts[best] += end - first
        labels[first:end] = best
    voices = tuple(_voice(one, count) for one, count in zip(sums, counts, strict=True))
    return Assigned(tuple(map(int, labels)), KnownSpeakers(voices))


def _voice(total: Floats, windows: float) -> Voice:
    share = min(1.0, _HEAVIEST / windows)
    return Voice((total * share).astype("<f2").tobytes(), windows * share)


def _runs(vectors: Floats, sums: Sequence[Floats]) -> list[tuple[int, int]]:
    """First and end of the runs of windows that have one speaker each."""
    labels = _most_probable(vectors @ _normed(sums).T) if sums else np.zeros(len(vectors), int)
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(vectors)]
    found = []
    for first, end in pairwise(edges):
        found += _parts(vectors, int(first), int(end))
    return found


def _parts(vectors: Floats, first: int, end: int) -> list[tuple[int, int]]:
    """The run, or two parts of it that are unlike each other."""
    splits = np.arange(first + _SHORTEST, end - _SHORTEST + 1)
    if not len(splits):
        return [(first, end)]
    before = np.cumsum(vectors[first:end], axis=0)[splits - first - 1]
    after = vectors[first:end].sum(0) - before
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    likeness = (before * after).sum(axis=1) / (lengths + 1e-9)
    best = int(np.argmin(likeness))
    if likeness[best] >= _SPLIT:
        return [(first, end)]
    at = int(splits[best])
    return [*_parts(vectors, first, at), *_parts(vectors, at, end)]


def _most_probable(likeness: Floats) -> npt.NDArray[np.int64]:
    """`likeness`: `[windows, speakers]`.  Returns the speaker of each window."""
    best, came = likeness[0].copy(), []
    for row in likeness[1:]:
        changed = int(np.argmax(best))
        stays = best >= best[changed] - _CHANGE
        came.append(np.where(stays, np.arange(len(best)), changed))
        best = np.where(stays, best, best[changed] - _CHANGE) + row
    path = [int(np.argmax(best))]
    for step in reversed(came):
        path.append(int(step[path[-1]]))
    return np.array(path[::-1])


def _normed(sums: Sequence[Floats]) -> Floats:
    stacked = np.stack(sums)
    normed: Floats = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return normed


def _likeness(one: Floats, other: Floats) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))
