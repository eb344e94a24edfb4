"""One track's audio out of payloads that a vendor packs into messages, in whatever encoding it declares."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...audio import AudioFormat, Encoding, Pcm
from ...bridge_events import AudioReceived, BridgeEvent
from ...codecs.decoder import Codec
from .codec_stream import Compressed
from .deinterleave import Interleaved

_PARAMETERS = re.compile(r"[;@/]\s*(?:rate=)?(\d{4,6})h?\b.*", re.ASCII)

_SURE = 25
"""Payloads in a row that agree on a byte order before it is taken for that of the stream."""


def encoding_of(declared: str) -> tuple[str, int | None]:
    """
    Name and rate in Hz of an encoding as vendors write it.

    `audio/x-l16;rate=16000`, `audio/L16; rate=16000`, `L16@16000h` and `L16` are one name, `l16`.
    """
    text = declared.strip().lower()
    rate = _PARAMETERS.search(text)
    name = text[: rate.start()] if rate else text.partition(";")[0]
    return name.strip().removeprefix("audio/").removeprefix("x-"), int(rate[1]) if rate else None


class TrackAudio:
    """
    Decode the payloads of one track, in order.

    `network_order`: 16-bit samples may come in network byte order (RFC 3551), as an RTP payload, and the vendor
    does not say whether they do: the order in which neighbouring samples are alike is taken.
    """

    def __init__(
        self, encoding: Encoding | Codec, rate: int, *, network_order: bool = False
    ) -> None:
        """ValueError or DialectError when this cannot be decoded; `rate` in Hz is not that of compressed audio."""
        self._audio: Interleaved | Compressed = (
            Compressed(encoding)
            if isinstance(encoding, Codec)
            else Interleaved(AudioFormat(encoding, rate))
        )
        self._due = 0
        """Where the next frame begins if it follows the one before."""

        self._undecided = network_order and encoding is Encoding.L16
        self._is_swapped = False
        self._agreeing = 0

    @property
    def format(self) -> AudioFormat:
        """Of the samples that come out."""
        return self._audio.format

    def receive(
        self, payload: bytes, channel: int, place: Callable[[int], int]
    ) -> list[BridgeEvent]:
        """
        The samples of `channel` that are whole by now; `place` tells where so many samples begin.

        Compressed audio is not decoded here, and may come out a few samples shorter than it says: what follows
        without a gap has no position.
        """
        if isinstance(self._audio, Compressed):
            samples = self._audio.duration(payload)
            at = place(samples)
            position, self._due = (None if at == self._due else at), at + samples
            encoded = self._audio.receive(payload)
            return [replace(one, channel=channel, position=position) for one in encoded]
        pcm = self._samples(self._audio, payload)
        return [AudioReceived(channel, pcm, place(len(pcm)))] if len(pcm) else []

    def _samples(self, audio: Interleaved, payload: bytes) -> Pcm:
        pieces = [one.pcm for one in audio.receive(payload)]
        pcm = pieces[0] if pieces else np.zeros(0, dtype=np.int16)
        if self._undecided:
            self._compare(pcm)
        return pcm.byteswap() if self._is_swapped else pcm

    def _compare(self, pcm: Pcm) -> None:
        """Which byte order reads smoother; silence reads the same in both."""
        little, big = _roughness(pcm), _roughness(pcm.byteswap())
        if little == big:
            return
        is_swapped = big < little
        self._agreeing = self._agreeing + 1 if is_swapped is self._is_swapped else 1
        self._is_swapped = is_swapped
        self._undecided = self._agreeing < _SURE


def _roughness(pcm: Pcm) -> float:
    """Mean step from one sample to the next."""
    return float(np.abs(np.diff(pcm.astype(np.float32))).mean()) if len(pcm) > 1 else 0.0
