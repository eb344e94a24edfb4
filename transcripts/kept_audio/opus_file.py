"""Encodes audio as Ogg Opus (RFC 7845) with PyAV."""

from collections.abc import Callable, Iterable

import numpy as np

from .mixing import Frames

_BITS_PER_SECOND = 24_000
"""For each channel: transparent for telephone speech."""

_OPTIONS = {"application": "voip", "compression_level": "3"}
"""Effort 3 of 10: 185 times real time for two channels at 8 kHz, on one core of an Intel Xeon."""


class Sink:
    """A file that can only be written."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def write(self, data: bytes) -> int:
        """Take the next bytes."""
        self._write(bytes(data))
        return len(data)


def write_opus(windows: Iterable[Frames], rate: int, write: Callable[[bytes], None]) -> None:
    """Encode `windows` (one or two channels at `rate` Hz: 8000 or 16000); `write` gets the bytes of the file."""
    import av  # noqa: PLC0415  # 35 MB, which a recorder without kept audio does not need

    container = None
    stream = None
    position = 0
    for frames in windows:
        layout = "mono" if frames.shape[1] == 1 else "stereo"
        if container is None:
            container = av.open(Sink(write), "w", format="ogg")
            options = {**_OPTIONS, "b": str(_BITS_PER_SECOND * frames.shape[1])}
            stream = container.add_stream("libopus", rate=rate, layout=layout, options=options)
        assert stream is not None
        packed = np.ascontiguousarray(frames).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, position
        position += len(frames)
        container.mux(stream.encode(frame))
    if container is not None and stream is not None:
        container.mux(stream.encode(None))
        container.close()
