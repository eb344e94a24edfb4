"""The messages of a live client that plays a recording, decoded and resampled in pieces."""

from collections.abc import Iterator

import numpy as np
import soxr

from protocol.audio import Pcm
from protocol.codecs.wav import Samples
from protocol.dialects.base import Message

from ..audio.files.container import ContainerStream
from ..audio.resampler import to_pcm

MESSAGES_PER_SECOND = 10
_RATES = (8_000, 16_000)


def rate_of(heard: Samples | ContainerStream) -> int:
    """Return the rate at which a recording is played, in Hz."""
    return heard.rate if heard.rate in _RATES else _RATES[-1]


def messages(heard: Samples | ContainerStream, rate: int) -> Iterator[Message]:
    """
    Yield the messages of a live API client for a recording, decoded and resampled to `rate` Hz in pieces.

    Holds one piece at a time, however long the recording is.
    """
    step = -(-heard.rate // MESSAGES_PER_SECOND)
    pieces = heard.pieces(step)
    for pcm in pieces if rate == heard.rate else _resampled(pieces, heard, rate):
        if len(pcm):
            yield pcm.astype("<i2").tobytes()
    yield '{"type":"CloseStream"}'


def _resampled(pieces: Iterator[Pcm], heard: Samples | ContainerStream, rate: int) -> Iterator[Pcm]:
    stream = soxr.ResampleStream(heard.rate, rate, heard.channels, dtype="float32", quality=soxr.HQ)
    for pcm in pieces:
        yield to_pcm(stream.resample_chunk(pcm.astype(np.float32)))
    nothing = np.zeros((0, heard.channels), dtype=np.float32)
    yield to_pcm(stream.resample_chunk(nothing, last=True))
