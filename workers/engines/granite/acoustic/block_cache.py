"""
Partials of a growing utterance, without encoding its beginning again.

The encoder attends within blocks of 4 s that do not overlap; only the convolutions cross their edges.  So for a
partial the encoder runs on the last finished block and the open one; earlier labels come from earlier partials.  A
finished block is encoded once more together with the block before it (every 4 s, three blocks instead of two),
because its first frames need the frames to their left.  A small error from the frozen labels remains; a test
measures it.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from ...base import Hypothesis, Samples
from .ctc import Labels, emissions, words_of
from .mel import FRAME, HOP, Mel, frames_in, padded, stacked

EDGE = 32
"""Frames at the head of a window without their left context: their labels come from the earlier pass."""

_SETTLED_TAIL = 2
"""Mel frames at the end of the audio that change when more audio arrives."""

_MARK = 64
"""Samples that are kept to detect a key that is used again with other audio."""

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CachedUtterance:
    """The cached state of one utterance between two partials."""

    frames: int
    sound: int
    """Frames before this one were encoded in a finished block together with the block before it."""

    peak: torch.Tensor = field(repr=False)
    """Highest log power so far, which sets the floor of the features: one number, on the device."""

    labels: Labels = field(repr=False)
    probabilities: Probabilities = field(repr=False)
    samples: int
    mark: Samples = field(repr=False)
    """The last samples of the audio."""

    words: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Window:
    """The part of an utterance that must be encoded for one partial."""

    key: str
    features: torch.Tensor = field(repr=False)
    start: int
    """First frame of the window."""

    keep: int
    """Labels of frames before this one are taken from the earlier partials."""

    peak: torch.Tensor = field(repr=False)
    samples: int
    mark: Samples = field(repr=False)
    before: CachedUtterance | None


class BlockCache:
    """The cached states of open utterances, at most `most`; the least recently used one is dropped first."""

    def __init__(self, mel: Mel, device: torch.device, context: int, most: int = 4_096) -> None:
        self._mel, self._device, self._context, self._most = mel, device, context, most
        self._heard: OrderedDict[str, CachedUtterance] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heard)

    def window(self, key: str, samples: Samples) -> Window:
        """The part of `samples`, which is the whole utterance so far, that must be encoded."""
        before = self._recall(key, samples)
        frames = frames_in(len(samples))
        start, keep = _from_where(frames, before, self._context)
        skipped = max(0, start - 1) * FRAME
        audio = padded(torch.from_numpy(samples[skipped:]).to(self._device))
        power = self._mel.log_power(audio)[2 * start - skipped // HOP :]
        peak, lasting = (
            power.max(),
            power[:-_SETTLED_TAIL].max(),
        )  # nothing here waits for the device
        if before:
            peak = torch.maximum(peak, before.peak) if start else peak
            lasting = torch.maximum(lasting, before.peak)
        return Window(
            key, stacked(power, peak), start, keep, lasting, len(samples), samples[-_MARK:].copy(), before,
        )  # fmt: skip

    def apply(self, window: Window, labels: Labels, probabilities: Probabilities) -> Hypothesis:
        """Add the encoded `window`: the best label of each frame and its probability.  Returns the partial."""
        before = window.before
        if before is not None and window.keep:
            fresh = window.keep - window.start
            labels = np.concatenate([before.labels[: window.keep], labels[fresh:]])
            kept = before.probabilities[: window.keep]
            probabilities = np.concatenate([kept, probabilities[fresh:]])
        found = words_of(emissions(labels, probabilities), window.samples)
        texts = tuple(word.text for word in found)
        stable = agreed(texts, before.words) if before else 0
        sound = len(labels) // self._context * self._context
        heard = CachedUtterance(
            len(labels),
            sound,
            window.peak,
            labels,
            probabilities,
            window.samples,
            window.mark,
            texts,
        )
        self._remember(window.key, heard)
        return Hypothesis(found, (f"stable:{stable}",))

    def forget(self, key: str) -> None:
        """Drop the state of an utterance that has ended."""
        self._heard.pop(key, None)

    def _recall(self, key: str, samples: Samples) -> CachedUtterance | None:
        """The cached state of `key`; None if there is none or if `samples` do not continue its audio."""
        before = self._heard.get(key)
        if before is None:
            return None
        if np.array_equal(before.mark, samples[: before.samples][-_MARK:]):
            return before
        self.forget(key)
        return None

    def _remember(self, key: str, heard: CachedUtterance) -> None:
        if not key:
            return
        self._heard[key] = heard
        self._heard.move_to_end(key)
        if len(self._heard) > self._most:
            self._heard.popitem(last=False)


def _from_where(frames: int, before: CachedUtterance | None, context: int) -> tuple[int, int]:
    """First frame to encode, and first frame whose label is taken from that pass."""
    last_finished = max(0, frames // context - 1)
    if before is None or last_finished == 0:
        return 0, 0
    # A window may begin at a block only if that block was already encoded with its left neighbour.
    known = max(0, before.sound // context - 1)
    start = min(last_finished, known)
    return start * context, start * context + EDGE if start else 0


def agreed(words: Sequence[str], earlier: Sequence[str]) -> int:
    """Number of leading words that are the same in both."""
    count = 0
    for one, other in zip(words, earlier, strict=False):
        if one != other:
            break
        count += 1
    return count
