"""
The encoder's states of open utterances: a partial encodes only the end of its utterance again.

A frame of the encoder hears the audio on both sides of it.  Behind `_AHEAD` of audio it changes little, so it is
kept, and the encoder runs from `_BEFORE` ahead of the first frame that is not kept.  So the time of a partial does
not grow with the length of its utterance.  Finals are always encoded whole.  Nothing depends on what is kept but
time: without it, as in a worker that has not heard the beginning, the whole utterance is encoded.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import Samples
from ..common.growing_audio import continues
from .alignment import FRAME
from .sessions import Floats, Net

_BEFORE, _AHEAD = (round(seconds * ENGINE_RATE / FRAME) for seconds in (3.0, 1.0))
"""
Frames of context that are encoded again, and frames of context that a frame needs behind it to be kept.

With 3 and 1 s as many words become stable as with the whole encoded again, with 1.5 and 0.5 s a third fewer
(docs/benchmarks.md).
"""

_MOST = 32
"""Utterances kept at most, of up to 1.6 MB each.  Those that grew longest ago go first."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """`states`: `[1, frames, width]`; `samples`: those at which these frames begin."""

    states: Floats = field(repr=False)
    samples: Samples = field(repr=False)

    @property
    def frames(self) -> int:
        return int(self.states.shape[1])

    def begins(self, samples: Samples) -> bool:
        """Whether `samples` continue what was kept."""
        return continues(self.samples, samples)


class OpenUtterances:
    """Encodes utterances that grow, by their keys.  Used from several threads at a time."""

    def __init__(self, encoder: Net, most: int = _MOST) -> None:
        """`most`: number of utterances kept at most."""
        self._encoder = encoder
        self._most = most
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def encode(self, key: str, samples: Samples) -> Floats:
        """Return the states of an utterance, `[1, frames, width]`; an empty `key`: it is not kept."""
        kept = self._kept.pop(key, None)
        if kept is not None and kept.begins(samples):
            states = self._continued(kept, samples)
        else:
            states = encoded(self._encoder, samples)
        if key:
            self._keep(key, states, samples)
        return states

    def forget(self, key: str) -> None:
        """The utterance grows no more."""
        self._kept.pop(key, None)

    def _continued(self, kept: _Kept, samples: Samples) -> Floats:
        first = max(0, kept.frames - _BEFORE)
        end = encoded(self._encoder, samples[first * FRAME :])
        return np.concatenate([kept.states, end[:, kept.frames - first :]], axis=1)

    def _keep(self, key: str, states: Floats, samples: Samples) -> None:
        frames = states.shape[1] - _AHEAD
        if frames <= 0:
            return
        self._kept[key] = _Kept(states[:, :frames], samples[: frames * FRAME])
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def encoded(encoder: Net, samples: Samples) -> Floats:
    """Return the encoder's states of `samples`, `[1, frames, width]`."""
    (states,) = encoder.run(None, {"input_values": samples[np.newaxis]})
    return states
