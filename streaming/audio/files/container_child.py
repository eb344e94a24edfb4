"""
The child process of `container`: `python -m streaming.audio.files.container_child < FILE`.

Writes one byte, the count of channels, then 16-bit samples at 8 kHz, interleaved.  Its exit status is 0 or one of
`FAULTS`.
"""

import io
import os
import resource
import sys
import wave
from collections.abc import Iterator
from enum import Enum, auto
from importlib import import_module
from pkgutil import walk_packages
from typing import IO, Any

from protocol.clock import CALL_RATE
from protocol.codecs.wav import MOST_CHANNELS, RATES

LONGEST_SECONDS = 4 * 3_600
"""Longest audio of a file."""

FORMATS = "mp3,mov,mp4,m4a,3gp,3g2,mj2,ogg,matroska,webm,flac,wav,w64,aac,aiff,amr,au,caf"
"""Demuxers of FFmpeg that read their own file and nothing else.  Never hls, dash, concat, image2, sdp, rtsp."""

_MEMORY = 2 << 30
"""Bytes of address space; half of it is libraries."""

_CPU_SECONDS = 600


class FileFault(Enum):
    """Why a file cannot be read."""

    NO_AUDIO = auto()
    STRANGE = auto()
    TOO_LONG = auto()
    NO_LIBRARY = auto()


FAULTS = {
    FileFault.NO_AUDIO: 3,
    FileFault.STRANGE: 4,
    FileFault.TOO_LONG: 5,
    FileFault.NO_LIBRARY: 6,
}
"""Exit statuses."""


def main() -> int:
    """Decode standard input to standard output."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    try:
        import av
    except ImportError:
        return FAULTS[FileFault.NO_LIBRARY]
    av.logging.set_level(None)
    _load_everything()
    _confine()
    try:
        return _decode(sys.stdin.buffer, sys.stdout.buffer)
    except (av.error.FFmpegError, ValueError, MemoryError):
        return FAULTS[FileFault.NO_AUDIO]


def _load_everything() -> None:
    """Decode a harmless recording, because libraries open files when they are first used."""
    import av

    for module in walk_packages(av.__path__, "av."):
        if not module.name.startswith("av.__"):
            import_module(module.name)
    recording = io.BytesIO()
    with wave.open(recording, "wb") as written:
        written.setparams((1, 2, 2 * CALL_RATE, 0, "NONE", ""))
        written.writeframes(bytes(2 * CALL_RATE))
    _decode(io.BytesIO(recording.getvalue()), io.BytesIO())


def _confine() -> None:
    """Set limits: no new file or socket, no writing to disk, bounded memory and CPU time."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _decode(file: IO[bytes], out: IO[bytes]) -> int:
    import av

    allowed = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    with av.open(file, options=allowed) as container:
        if not container.streams.audio:
            return FAULTS[FileFault.NO_AUDIO]
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
        if rate not in RATES or not 1 <= channels <= MOST_CHANNELS:
            return FAULTS[FileFault.STRANGE]
        out.write(bytes([channels]))
        left = LONGEST_SECONDS * CALL_RATE
        for samples in _at_call_rate(_frames(container, stream), rate, channels):
            left -= len(samples)
            if left < 0:
                return FAULTS[FileFault.TOO_LONG]
            out.write(samples.astype("<i2").tobytes())
        out.flush()
    return 0


def _frames(container: Any, stream: Any) -> Iterator[Any]:  # noqa: ANN401  # PyAV's types need PyAV
    """Yield int16 `[n, channels]`.  Damaged frames are skipped; stops where the file cannot be read further."""
    import av

    context = stream.codec_context
    resampler = av.AudioResampler("s16", context.layout, context.sample_rate)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        try:
            for frame in packet.decode():
                for piece in resampler.resample(frame):
                    yield piece.to_ndarray().reshape(-1, context.channels)
        except (av.error.FFmpegError, ValueError):
            continue


def _at_call_rate(frames: Iterator[Any], rate: int, channels: int) -> Iterator[Any]:
    import numpy as np
    import soxr

    stream = soxr.ResampleStream(rate, CALL_RATE, channels, dtype="float32", quality=soxr.HQ)
    for frame in frames:
        piece = stream.resample_chunk(frame.astype(np.float32))
        yield np.clip(np.rint(piece), -32_768, 32_767)
    rest = stream.resample_chunk(np.zeros((0, channels), dtype=np.float32), last=True)
    yield np.clip(np.rint(rest), -32_768, 32_767)


if __name__ == "__main__":
    sys.exit(main())
