"""
What is known of the voices of a channel, in the order in which its segments become final.  Pure.

Each final is assigned together with the speech before it: thresholds are relative to the voices of the call. Speech
is kept in stretches of one speaker; older ones become one for each speaker.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec
import numpy as np
from msgspec.structs import replace

from .clustering import Evidence, Floats, speakers_of


@dataclass(frozen=True, slots=True)
class Detail:
    """How speech is kept.  `longest`: most windows of a stretch; `most`: stretches, about 280 bytes each."""

    longest: int
    most: int


LIVE = Detail(4, 320)
"""Stretches of at most 0.8 s, 90 kB: at least four minutes of speech."""

RECORDED = Detail(1, 1_200)
"""
Each window, 340 kB: four minutes of speech.

Speakers of earlier words are decided anew by each segment, which takes windows: over stretches of 0.8 s short turns
are lost (`bench/speakers.py`).
"""

_HEAVIEST = 100.0
"""Most windows that older stretches count for a speaker: what came later counts more."""

_OPENING = 60.0
"""
Windows of a speaker, 12 s of speech, in which a greeting counts.

At the end of a short call the called party may say "thanks for calling" as well.
"""

_BEFORE = -1
"""Segment of the stretches that are put together."""


class Stretch(msgspec.Struct, array_like=True, frozen=True):
    """Speech of one speaker, `[first, last]` in samples of the call clock: the centres of its windows."""

    segment: int
    first: int
    last: int
    speaker: int
    windows: float
    scale: float
    vector: bytes
    """Mean of the embeddings: 8-bit numbers, times `scale`."""

    greeted: int = 0
    """Number of greetings of agents in it (see `greetings`)."""


@dataclass(frozen=True, slots=True)
class VoiceHistory:
    """The stretches of a channel, in order of time."""

    stretches: tuple[Stretch, ...] = ()

    def encode(self) -> bytes:
        """At most about 90 kB; of a recording 340 kB."""
        return msgspec.msgpack.encode(self.stretches)

    @classmethod
    def decode(cls, state: bytes) -> "VoiceHistory":
        """Decode what `encode` made; nothing is known of bytes that are empty or of another version."""
        try:
            return cls(msgspec.msgpack.decode(state, type=tuple[Stretch, ...]) if state else ())
        except msgspec.MsgspecError:
            return cls()

    def of(self, segment: int) -> tuple[Stretch, ...]:
        """The stretches of a segment; none if they were put together with others."""
        return tuple(one for one in self.stretches if one.segment == segment)

    @property
    def voices(self) -> set[int]:
        """The speakers that are told apart."""
        return {one.speaker for one in self.stretches}

    def greeted(self, segment: int, at: int) -> "VoiceHistory":
        """
        The history with a greeting at `at`, in samples of the call clock, in a segment that is part of it.

        A greeting counts only in the first speech of its speaker.
        """
        own = [one for one in self.stretches if one.segment == segment]
        said = min(own, key=lambda one: max(one.first - at, at - one.last))
        before = (one for one in self.stretches if one.first < said.first)
        if sum(one.windows for one in before if one.speaker == said.speaker) > _OPENING:
            return self
        new = replace(said, greeted=said.greeted + 1)
        return VoiceHistory(tuple(new if one is said else one for one in self.stretches))


@dataclass(frozen=True, slots=True)
class Heard:
    """Windows of a segment.  `centres`: `[n]`, samples of the call clock; `vectors`: `[n, size]`, length 1."""

    segment: int
    centres: Sequence[int]
    vectors: Floats


def assign(
    history: VoiceHistory,
    segment: int,
    centres: Sequence[int],
    vectors: Floats,
    most: int,
    detail: Detail = LIVE,
) -> VoiceHistory:
    """
    The history with the windows of a segment, and all its speech assigned anew.

    `centres`: `[n]`, samples of the call clock; `vectors`: `[n, size]`, of length 1, n at least 1. `most`: speakers
    that the channel may have.
    """
    known = [one for one in history.stretches if one.segment != segment]
    named = _named([*known, *_fresh(Heard(segment, centres, vectors))], most)
    return VoiceHistory(_bounded(_joined(named, segment, detail.longest), detail.most))


def assign_all(segments: Sequence[Heard], most: int) -> VoiceHistory:
    """The speech of a whole recording, assigned at once.  About a second of CPU for each 20 minutes of speech."""
    return VoiceHistory(tuple(_named([one for heard in segments for one in _fresh(heard)], most)))


def _fresh(heard: Heard) -> list[Stretch]:
    return [
        _stretch(heard.segment, (int(at), int(at)), -1, vector)
        for at, vector in zip(heard.centres, heard.vectors, strict=True)
    ]


def _named(stretches: Sequence[Stretch], most: int) -> list[Stretch]:
    """The stretches with their speakers, in order of time."""
    listed = sorted(stretches, key=lambda one: (one.first, one.segment))
    found = speakers_of(_evidence(listed), most).tolist() if listed else []
    return [replace(one, speaker=speaker) for one, speaker in zip(listed, found, strict=True)]


def _evidence(stretches: Sequence[Stretch]) -> Evidence:
    vectors = np.stack([_vector(one) for one in stretches])
    segments = np.array([one.segment for one in stretches])
    return Evidence(
        vectors,
        np.array([one.windows for one in stretches], np.float32),
        np.concatenate([[True], np.diff(segments) != 0]),
        np.array([one.speaker for one in stretches]),
    )


def _joined(stretches: Sequence[Stretch], segment: int, longest: int) -> list[Stretch]:
    """The windows of `segment` put together, where neighbours have one speaker."""
    joined: list[Stretch] = []
    for (owner, _), group in groupby(stretches, key=lambda one: (one.segment, one.speaker)):
        some = list(group)
        if owner != segment:
            joined += some
            continue
        parts = -(-len(some) // longest)
        for part in np.array_split(np.arange(len(some)), parts):
            joined.append(_together(segment, [some[place] for place in part]))
    return joined


def _bounded(stretches: Sequence[Stretch], most: int) -> tuple[Stretch, ...]:
    """The latest stretches; those before them as one of each speaker."""
    if len(stretches) <= most:
        return tuple(stretches)
    kept = stretches[-most:]
    older = sorted(stretches[:-most], key=lambda one: one.speaker)
    groups = groupby(older, key=lambda one: one.speaker)
    before = [_together(_BEFORE, list(group)) for _, group in groups]
    return (*(replace(one, windows=min(one.windows, _HEAVIEST)) for one in before), *kept)


def _together(segment: int, some: Sequence[Stretch]) -> Stretch:
    windows = np.array([one.windows for one in some], np.float32)
    mean = windows @ np.stack([_vector(one) for one in some]) / windows.sum()
    at = (some[0].first, some[-1].last)
    greeted = sum(one.greeted for one in some)
    return _stretch(segment, at, some[0].speaker, mean, float(windows.sum()), greeted)


def _stretch(
    segment: int,
    at: tuple[int, int],
    speaker: int,
    vector: Floats,
    windows: float = 1.0,
    greeted: int = 0,
) -> Stretch:
    scale = max(float(np.abs(vector).max()), 1e-6) / 127
    written = np.rint(vector / scale).astype(np.int8).tobytes()
    return Stretch(segment, *at, speaker, windows, scale, written, greeted)


def _vector(one: Stretch) -> Floats:
    return np.frombuffer(one.vector, np.int8).astype(np.float32) * np.float32(one.scale)
