"""Reads WAV files with PCM, mu-law or A-law, as telephone recorders write them. Python's `wave` reads PCM only."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..audio import Encoding, Pcm, decode

RATES = range(4_000, 192_001)
"""Accepted sample rates in Hz. Any other rate means a damaged header."""

MOST_CHANNELS = 8

_MOST_CHUNKS = 1_000
"""Recorders write about ten chunks. The limit bounds the work for a file of empty chunks of 8 bytes."""

_ENCODINGS = {1: Encoding.L16, 6: Encoding.ALAW, 7: Encoding.MULAW}
_EXTENSIBLE = 0xFFFE


class WavError(ValueError):
    """The header of a WAV file is impossible. The text names the field."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Interleaved samples, not decoded yet. Memory is allocated only while `pieces` is read."""

    encoding: Encoding
    rate: int
    """Sample rate in Hz."""

    channels: int
    body: memoryview = field(repr=False)
    """Whole frames only. A frame is one sample of each channel."""

    @property
    def frames(self) -> int:
        """Length of each channel, in samples."""
        return len(self.body) // (self.encoding.width * self.channels)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    def pieces(self, frames: int) -> Iterator[Pcm]:
        """Decode in order, in arrays of at most `frames` frames: int16, `[n, channels]`, at `rate`."""
        step = frames * self.encoding.width * self.channels
        for start in range(0, len(self.body), step):
            pcm = decode(bytes(self.body[start : start + step]), self.encoding)
            yield pcm.reshape(-1, self.channels)


def samples(encoding: Encoding, rate: int, channels: int, body: bytes | memoryview) -> Samples:
    """Samples of `body`, up to the last whole frame. Raises WavError for an unsupported rate or channel count."""
    if rate not in RATES:
        raise WavError(
            f"{rate} Hz is not a supported sample rate: send {RATES.start} to {RATES.stop - 1}"
        )
    if not 1 <= channels <= MOST_CHANNELS:
        raise WavError(f"{channels} channels are not supported: send 1 to {MOST_CHANNELS}")
    whole = len(body) - len(body) % (encoding.width * channels)
    return Samples(encoding, rate, channels, memoryview(body)[:whole])


def parse_wav(content: bytes) -> Samples | None:
    """
    The samples of a WAV file in 16-bit PCM, mu-law or A-law; None for any other content.

    Reads the headers only. Raises WavError for an impossible header.
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
    Names and contents of the RIFF chunks, in order. Raises WavError if there are too many.

    A recorder writes the length of the audio when it stops. In a stream, or after a crash, the length is 0 or too
    large: then the rest of the file is audio. A length of 0 is believed if the length of the whole file is right.
    """
    view, position, count = memoryview(content), 12, 0
    is_finished = struct.unpack("<I", content[4:8])[0] + 8 == len(content)
    while position + 8 <= len(content):
        if (count := count + 1) > _MOST_CHUNKS:
            raise WavError(f"more than {_MOST_CHUNKS} chunks: the file may be damaged")
        name, size = struct.unpack("<4sI", content[position : position + 8])
        if name == b"data" and size == 0 and not is_finished:
            size = len(content)
        yield name, view[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
