"""Decodes the audio of one track from the payloads of a vendor's messages, in the declared encoding."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...audio import AudioFormat, Encoding, Pcm
from ...bridge_events import AudioReceived, BridgeEvent, CodedAudio
from ...codecs.decoder import Codec
from .codec_stream import Compressed
from .deinterleave import Interleaved

_PARAMETERS = re.compile(r"[;@/]\s*(?:rate=)?(\d{4,6})h?\b.*", re.ASCII)

_SURE = 25
"""Number of payloads in a row that must agree on a byte order before it is fixed for the stream."""


def encoding_of(declared: str) -> tuple[str, int | None]:
    """
    Name and rate in Hz of an encoding in a vendor's spelling; the rate is None if it is not declared.

    `audio/x-l16;rate=16000`, `audio/L16; rate=16000`, `L16@16000h` and `L16` all have the name `l16`.
    """
    text = declared.strip().lower()
    rate = _PARAMETERS.search(text)
    name = text[: rate.start()] if rate else text.partition(";")[0]
    return name.strip().removeprefix("audio/").removeprefix("x-"), int(rate[1]) if rate else None


class TrackAudio:
    """
    Decodes the payloads of one track, in order.

    `network_order`: 16-bit samples may be in network byte order (RFC 3551), as in an RTP payload, but the vendor
    does not document it.  Then the byte order with smaller steps between neighbouring samples is used.
    """

    def __init__(
        self, encoding: Encoding | Codec, rate: int, *, network_order: bool = False
    ) -> None:
        """
        `rate`: in Hz, ignored for compressed audio.

        Raises ValueError or DialectError when it cannot be decoded.
        """
        self._audio: Interleaved | Compressed = (
            Compressed(encoding)
            if isinstance(encoding, Codec)
            else Interleaved(AudioFormat(encoding, rate))
        )
        self._due = 0
        """Position of the next frame if it follows the previous one without a gap."""

        self._undecided = network_order and encoding is Encoding.L16
        self._is_swapped = False
        self._agreeing = 0

    @property
    def format(self) -> AudioFormat:
        """The format of the decoded samples."""
        return self._audio.format

    @property
    def encoding(self) -> str:
        """Name of the encoding or codec."""
        return self._audio.encoding

    def receive(
        self, payload: bytes, channel: int, place: Callable[[int], int]
    ) -> list[BridgeEvent]:
        """
        Add a payload of `channel`.  Returns the complete samples; `place(n)` gives the position of `n` samples.

        Compressed audio is not decoded here, and may decode to a few samples less than its declared duration.  So a
        frame that follows without a gap gets no position.
        """
        if isinstance(self._audio, Compressed):
            samples = self._audio.duration(payload)
            at = place(samples)
            position, self._due = (None if at == self._due else at), at + samples
            encoded = self._audio.receive(payload)
            return [replace(one, channel=channel, position=position) for one in encoded]
        pcm = self._samples(self._audio, payload)
        return [AudioReceived(channel, pcm, place(len(pcm)))] if len(pcm) else []

    def coded(
        self, payload: bytes, channel: int, place: Callable[[int], int]
    ) -> list[CodedAudio] | None:
        """Return the same as `receive`, not decoded.  None, and nothing has changed, where that is not possible."""
        if isinstance(self._audio, Compressed) or self._undecided or self._is_swapped:
            return None
        if (heard := self._audio.coded(payload)) is None:
            return None
        samples = heard[0].samples
        return [CodedAudio(channel, payload, heard[0].encoding, samples, place(samples))]

    def _samples(self, audio: Interleaved, payload: bytes) -> Pcm:
        pieces = [one.pcm for one in audio.receive(payload)]
        pcm = pieces[0] if pieces else np.zeros(0, dtype=np.int16)
        if self._undecided:
            self._compare(pcm)
        return pcm.byteswap() if self._is_swapped else pcm

    def _compare(self, pcm: Pcm) -> None:
        """Compare both byte orders: the smoother one is right; silence is the same in both."""
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
