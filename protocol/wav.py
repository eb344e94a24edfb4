"""WAV files of PCM, mu-law or A-law, as telephone recorders write them.  Python's `wave` knows PCM only."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .audio import Encoding, Pcm, decode

RATES = range(4_000, 192_001)
"""Sample rates in Hz that recorders write; any other is a damaged header."""

MOST_CHANNELS = 8

_MOST_CHUNKS = 1_000
"""Recorders write about ten; the limit keeps a file of empty chunks from costing a loop for each 8 bytes."""

_ENCODINGS = {1: Encoding.L16, 6: Encoding.ALAW, 7: Encoding.MULAW}
_EXTENSIBLE = 0xFFFE


class WavError(ValueError):
    """A WAV file with a header that cannot be true; the text says which field."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Interleaved samples that are not decoded yet: nothing is allocated for them before `pieces` is read."""

    encoding: Encoding
    rate: int
    """Hz."""

    channels: int
    body: memoryview = field(repr=False)
    """Whole frames only: one sample of each channel."""

    @property
    def frames(self) -> int:
        """Length of each channel, in samples."""
        return len(self.body) // (self.encoding.width * self.channels)

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return self.frames / self.rate

    def pieces(self, frames: int) -> Iterator[Pcm]:
        """int16 `[at most frames, channels]`, in order."""
        step = frames * self.encoding.width * self.channels
        for start in range(0, len(self.body), step):
            pcm = decode(bytes(self.body[start : start + step]), self.encoding)
            yield pcm.reshape(-1, self.channels)


def samples(encoding: Encoding, rate: int, channels: int, body: bytes | memoryview) -> Samples:
    """Samples within the bounds, cut after the last whole frame.  WavError for an impossible rate or count."""
    if rate not in RATES:
        raise WavError(f"{rate} Hz is no sample rate: send {RATES.start} to {RATES.stop - 1}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise WavError(f"{channels} channels are not supported: send 1 to {MOST_CHANNELS}")
    whole = len(body) - len(body) % (encoding.width * channels)
    return Samples(encoding, rate, channels, memoryview(body)[:whole])


def parse_wav(content: bytes) -> Samples | None:
    """
    The samples of a file in 16 bit PCM, mu-law or A-law; None when it is something else.

    Reads the headers only.  WavError when they cannot be true.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    layout, audio = b"", []
    for name, chunk in _chunks(content):
        if name == b"fmt " and not layout:
            layout = bytes(chunk[:40])
        elif name == b"data":
            audio.append(chunk)
    if len(layout) < 16:
        return None
    kind, count, rate, _, _, bits = struct.unpack("<HHIIHH", layout[:16])
    if kind == _EXTENSIBLE and len(layout) >= 26:
        kind = struct.unpack("<H", layout[24:26])[0]
    encoding = _ENCODINGS.get(kind)
    if encoding is None or bits != 8 * encoding.width:
        return None
    return samples(encoding, rate, count, audio[0] if len(audio) == 1 else b"".join(audio))


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """
    RIFF chunks: name and content, in order.

    A recorder writes the length of the audio when it stops.  A stream or a crash leaves 0 there, or more than
    there is: then all that follows is audio, unless the length of the whole file stands in front and is right.
    """
    view, position, count = memoryview(content), 12, 0
    is_finished = struct.unpack("<I", content[4:8])[0] + 8 == len(content)
    while position + 8 <= len(content):
        if (count := count + 1) > _MOST_CHUNKS:
            raise WavError(f"more than {_MOST_CHUNKS} chunks: is the file damaged?")
        name, size = struct.unpack("<4sI", content[position : position + 8])
        if name == b"data" and size == 0 and not is_finished:
            size = len(content)
        yield name, view[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
