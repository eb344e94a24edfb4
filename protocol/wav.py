"""WAV files of PCM, mu-law or A-law, as telephone recorders write them.  Python's `wave` knows PCM only."""

import struct
from collections.abc import Iterator

import numpy as np

from .audio import Encoding, Pcm, decode

_ENCODINGS = {1: Encoding.L16, 6: Encoding.ALAW, 7: Encoding.MULAW}
_EXTENSIBLE = 0xFFFE


def read_wav(content: bytes) -> tuple[int, list[Pcm]] | None:
    """Rate and channels of a file in 16 bit PCM, mu-law or A-law; None when it is something else."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    chunks = dict(_chunks(content))
    layout = chunks.get(b"fmt ", b"")
    if len(layout) < 16:
        return None
    kind, count, rate, _, _, bits = struct.unpack("<HHIIHH", layout[:16])
    if kind == _EXTENSIBLE and len(layout) >= 26:
        kind = struct.unpack("<H", layout[24:26])[0]
    encoding = _ENCODINGS.get(kind)
    if encoding is None or bits != 8 * encoding.width or count == 0:
        return None
    audio = chunks.get(b"data", b"")
    pcm = decode(audio[: len(audio) - len(audio) % (count * encoding.width)], encoding)
    return rate, [np.ascontiguousarray(pcm[channel::count]) for channel in range(count)]


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """
    RIFF chunks, by name.

    A recorder writes the length of the audio when it stops.  What a stream or a crash leaves there (0, or more
    than there is) means all that follows.
    """
    position = 12
    while position + 8 <= len(content):
        name, size = struct.unpack("<4sI", content[position : position + 8])
        if name == b"data" and size == 0:
            size = len(content)
        yield name, content[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
