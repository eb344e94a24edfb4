"""
Audio encodings of bridges, and their conversion from and to 16-bit PCM.

G.711 (ITU-T G.711, 1988) has 256 codes, so a table is exact and fast. Python removed `audioop` in 3.13.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Pcm = npt.NDArray[np.int16]
"""Mono PCM: int16, `[n]`."""


class Encoding(StrEnum):
    """Encoding of a sample."""

    MULAW = "mulaw"
    ALAW = "alaw"
    L16 = "l16"
    """Signed 16 bit, little-endian, as bridges send over WebSockets (in RTP it is big-endian)."""

    @property
    def width(self) -> int:
        """Bytes of one sample of one channel."""
        return 2 if self is Encoding.L16 else 1


LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000
"""Hz. Every integer rate in this range is accepted; see `streaming.audio.resampler.RateConverter`."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Audio format of a bridge: `channels` (1 to 8) interleaved, `encoding`, `rate` in Hz (8000 to 48000)."""

    encoding: Encoding = Encoding.MULAW
    rate: int = 8_000
    channels: int = 1

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError that names the wrong value and the accepted ones."""
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise ValueError(
                f"sample rate {self.rate} is not supported: send {LOWEST_RATE} to {HIGHEST_RATE} Hz"
            )
        if not 1 <= self.channels <= 8:
            raise ValueError(f"{self.channels} channels are not supported: send 1 to 8")

    @property
    def frame_width(self) -> int:
        """Bytes of one sample of all channels."""
        return self.encoding.width * self.channels

    def decode(self, payload: bytes) -> list[Pcm]:
        """Decode to one array per channel: int16, `[n]`, at `rate`. Raises ValueError for an incomplete sample."""
        if len(payload) % (width := self.frame_width):
            raise ValueError(
                f"{len(payload)} bytes are not a whole number of {width}-byte samples "
                f"({self.channels} x {self.encoding})"
            )
        if self.channels == 1:
            return [decode(payload, self.encoding)]
        if (table := _TABLES.get(self.encoding)) is not None:
            codes = np.frombuffer(payload, dtype=np.uint8).reshape(-1, self.channels)
            return list(table.take(codes.T))
        interleaved = decode(payload, self.encoding)
        return list(np.ascontiguousarray(interleaved.reshape(-1, self.channels).T))


def decode(payload: bytes, encoding: Encoding) -> Pcm:
    """Decode `payload` to int16, `[n]`; channels stay interleaved."""
    match encoding:
        case Encoding.MULAW:
            return _MULAW_TO_PCM.take(np.frombuffer(payload, dtype=np.uint8))
        case Encoding.ALAW:
            return _ALAW_TO_PCM.take(np.frombuffer(payload, dtype=np.uint8))
        case Encoding.L16:
            return np.frombuffer(payload, dtype="<i2").astype(np.int16, copy=False)


def encode(pcm: Pcm, encoding: Encoding) -> bytes:
    """Encode `pcm` (int16, `[n]`); the nearest code is used for G.711."""
    match encoding:
        case Encoding.MULAW:
            return _PCM_TO_MULAW[pcm.view(np.uint16)].tobytes()
        case Encoding.ALAW:
            return _PCM_TO_ALAW[pcm.view(np.uint16)].tobytes()
        case Encoding.L16:
            return pcm.astype("<i2", copy=False).tobytes()


def _mulaw_table() -> Pcm:
    """Decoded value of each mu-law code: G.711 table 2, scaled to 16 bit."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent = (code >> 4) & 0x07
    mantissa = (code & 0x0F).astype(np.int32)
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> Pcm:
    """Decoded value of each A-law code: G.711 table 1, scaled to 16 bit."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((code >> 4) & 0x07).astype(np.int32)
    mantissa = (code & 0x0F).astype(np.int32) << 4
    magnitude = np.where(
        exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0)
    )
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _encoder(table: Pcm) -> npt.NDArray[np.uint8]:
    """The code with the nearest decoded value for each 16-bit value, indexed by the value as uint16."""
    order = np.argsort(table, kind="stable")
    values = table[order].astype(np.int32)
    pcm = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    above = np.clip(np.searchsorted(values, pcm), 1, 255)
    nearest = np.where(pcm - values[above - 1] <= values[above] - pcm, above - 1, above)
    return order[nearest].astype(np.uint8)


_MULAW_TO_PCM = _mulaw_table()
_ALAW_TO_PCM = _alaw_table()
_TABLES = {Encoding.MULAW: _MULAW_TO_PCM, Encoding.ALAW: _ALAW_TO_PCM}
_PCM_TO_MULAW = _encoder(_MULAW_TO_PCM)
_PCM_TO_ALAW = _encoder(_ALAW_TO_PCM)
