"""Replaces redacted spans of an Ogg Opus file by silence.  All other packets stay: nothing is encoded twice."""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from protocol.clock import to_seconds
from protocol.events import Span

from .mixing import MARGIN
from .opus_file import Sink, write_opus

_RATE = 16_000
_SILENT_PACKET = 10
"""A packet in the middle of encoded silence."""


class _Source(Protocol):
    def read(self, size: int) -> bytes: ...


class ChunkSource:
    """A file that can only be read, made of chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        while not self._rest:
            if (following := next(self._chunks, None)) is None:
                return b""
            self._rest = following
        read, self._rest = self._rest[:size], self._rest[size:]
        return read


def silence(
    source: _Source,
    silent: Sequence[Span],
    write: Callable[[bytes], None],
    checked: Callable[[], None] = lambda: None,
) -> None:
    """
    Copy an Ogg Opus file, with silence in the spans (samples of the call clock) and their margins.

    `write` gets the bytes of the new file.  `checked` is called for each packet, and may raise.
    """
    import av  # noqa: PLC0415  # as in opus_file

    spans = [
        (to_seconds(max(0, one.start - MARGIN)), to_seconds(one.end + MARGIN)) for one in silent
    ]
    with (
        av.open(source, "r", format="ogg") as read,
        av.open(Sink(write), "w", format="ogg") as written,
    ):
        stream = read.streams.audio[0]
        copy = written.add_stream_from_template(stream)
        quiet = _silent_packet(stream.channels)
        for packet in _packets(read, stream):
            checked()
            start = float(packet.pts * packet.time_base)
            end = start + float(packet.duration * packet.time_base)
            is_silent = any(start < last and first < end for first, last in spans)
            kept = _in_place_of(packet, quiet) if is_silent else packet
            kept.stream = copy
            written.mux(kept)


def _packets(container: Any, stream: Any) -> Iterator[Any]:  # noqa: ANN401  # types of PyAV
    return (one for one in container.demux(stream) if one.size and one.pts is not None)


def _in_place_of(packet: Any, content: bytes) -> Any:  # noqa: ANN401
    import av  # noqa: PLC0415

    other = av.Packet(content)
    other.pts, other.dts, other.duration = packet.pts, packet.dts, packet.duration
    other.time_base = packet.time_base
    return other


def _silent_packet(channels: int) -> bytes:
    """Return a packet of 20 ms of encoded silence, as `write_opus` makes them."""
    import av  # noqa: PLC0415

    made = io.BytesIO()
    write_opus([np.zeros((_RATE, channels), np.int16)], _RATE, lambda some: _take(made, some))
    made.seek(0)
    with av.open(made, "r", format="ogg") as container:
        packets = [bytes(one) for one in _packets(container, container.streams.audio[0])]
    return packets[_SILENT_PACKET]


def _take(file: io.BytesIO, some: bytes) -> None:
    file.write(some)
