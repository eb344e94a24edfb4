"""
Read WAV files: 16-bit PCM and G.711 mu-law, any number of channels.

Python's own `wave` refuses everything but PCM.  Written apart from `protocol.audio` on purpose: what two readers
agree on is right.
"""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]


def read_wav(path: Path) -> tuple[int, list[Pcm]]:
    """Sample rate in Hz and one array per channel; ValueError for anything but PCM16 and mu-law."""
    chunks = _chunks(path.read_bytes())
    form, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunks[b"fmt "][:16])
    match form, bits:
        case (1, 16):
            samples = np.frombuffer(chunks[b"data"], dtype="<i2").astype(np.int16)
        case (7, 8):
            samples = _MULAW_TO_PCM[np.frombuffer(chunks[b"data"], dtype=np.uint8)]
        case _:
            raise ValueError(f"{path.name}: WAV format {form} with {bits} bits is not read here")
    return rate, [np.ascontiguousarray(samples[channel::channels]) for channel in range(channels)]


def _chunks(riff: bytes) -> dict[bytes, bytes]:
    """Every chunk of a RIFF file by its name; the pad byte after an odd length is skipped."""
    if riff[:4] != b"RIFF" or riff[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    chunks: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(riff):
        name, length = struct.unpack_from("<4sI", riff, at)
        chunks[name] = riff[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return chunks


def _mulaw_to_pcm(code: int) -> int:
    """ITU-T G.711 (1988), table 2: sign, three bits of exponent, four of mantissa, all inverted."""
    code ^= 0xFF
    magnitude = (((code & 0x0F) * 2 + 33) << (code >> 4 & 0x07)) - 33
    return -4 * magnitude if code & 0x80 else 4 * magnitude


_MULAW_TO_PCM: Pcm = np.array([_mulaw_to_pcm(code) for code in range(256)], dtype=np.int16)
