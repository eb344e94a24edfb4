"""
What is kept of open utterances: a partial encodes only the audio that is new since the partial before.

Kept are the state of the encoder, what the decoder hears of the vectors that are final, and the tokens of the last
text as a draft.  Finals are encoded whole, because resampled audio is rounded otherwise when more follows.  Nothing
depends on what is kept but time.
"""

from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np
import torch

from ..base import Samples
from ..common.growing_audio import continues
from .decoder import Heard, StreamingDecoder
from .encoder import EncoderState, StreamingEncoder

_MOST, _MOST_BYTES = 32, 256 << 20
"""
Utterances and bytes kept at most.  Those that grew longest ago go first.

A second takes 0.8 MB of the tiny model, 3.6 MB of the medium one.
"""

_UNSETTLED = 320
"""Samples at the end of open audio that change when more follows: the resampler looks 135 samples ahead."""

_BLOCK = 80_000
"""Samples that are encoded in one step: 5 s."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """An utterance as far as it is settled."""

    samples: Samples = field(repr=False)
    state: EncoderState = field(repr=False)
    heard: Heard = field(repr=False)
    tokens: tuple[int, ...] = field(default=(), repr=False)

    @property
    def nbytes(self) -> int:
        return self.heard.nbytes + self.samples.nbytes

    def begins(self, samples: Samples) -> bool:
        """Whether `samples` continue what was kept."""
        return continues(self.samples, samples)


class OpenUtterances:
    """Encodes utterances, those that grow by their keys.  Used from several threads at a time."""

    def __init__(
        self,
        encoder: StreamingEncoder,
        decoder: StreamingDecoder,
        most: int = _MOST,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`most`, `most_bytes`: utterances and memory kept at most."""
        self._encoder, self._decoder = encoder, decoder
        self._most, self._most_bytes = most, most_bytes
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def grown(self, key: str, samples: Samples) -> Generator[None, None, Heard]:
        """
        What is heard of an open utterance; it is kept under `key`, if that is not empty.

        Yields after each block but the last.
        """
        kept = self._taken(key)
        known = kept if kept is not None and kept.begins(samples) else self._nothing()
        if kept is not None:
            known = replace(known, tokens=kept.tokens)
        heard, after = yield from self._continued(known, samples)
        if key:
            self._keep(key, after)
        return heard

    def whole(self, samples: Samples) -> Generator[None, None, Heard]:
        """What is heard of a whole utterance.  Yields after each block but the last."""
        heard, _ = yield from self._continued(self._nothing(), samples)
        return heard

    def draft(self, key: str) -> Sequence[int]:
        """The tokens of the last text of an open utterance; empty if none is kept."""
        with self._lock:
            kept = self._kept.get(key)
        return kept.tokens if kept is not None else ()

    def note(self, key: str, tokens: Sequence[int]) -> None:
        """Keep the tokens of the last text of an utterance, if the utterance is kept."""
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept[key] = replace(kept, tokens=tuple(tokens))

    def forget(self, key: str) -> None:
        """The utterance grows no more."""
        self._taken(key)

    def _taken(self, key: str) -> _Kept | None:
        with self._lock:
            return self._kept.pop(key, None)

    def _nothing(self) -> _Kept:
        return _Kept(np.zeros(0, dtype=np.float32), self._encoder.start(), self._decoder.silence())

    def _continued(
        self, known: _Kept, samples: Samples
    ) -> Generator[None, None, tuple[Heard, _Kept]]:
        """What is heard of all `samples`, and what is settled of it."""
        audio = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        at, settled = len(known.samples), max(len(known.samples), len(samples) - _UNSETTLED)
        state, heard = known.state, known.heard
        while settled - at > _BLOCK:
            encoded = self._encoder.advance(state, audio[at : at + _BLOCK])
            heard = heard.with_more(self._decoder.hear(encoded.vectors, heard.vectors))
            at, state = at + _BLOCK, encoded.state
            yield
        encoded = self._encoder.advance(state, audio[at:settled], audio[settled:])
        final = heard.vectors + encoded.final
        heard = heard.with_more(self._decoder.hear(encoded.vectors, heard.vectors))
        after = _Kept(samples[:settled].copy(), encoded.state, heard.first(final), known.tokens)
        return heard, after

    def _keep(self, key: str, kept: _Kept) -> None:
        with self._lock:
            self._kept[key] = kept
            while self._is_full():
                self._kept.popitem(last=False)

    def _is_full(self) -> bool:
        held = list(self._kept.values())
        return len(held) > self._most or sum(one.nbytes for one in held) > self._most_bytes
