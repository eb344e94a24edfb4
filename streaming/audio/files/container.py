"""
Decode compressed audio files with FFmpeg's libraries in a confined child process.

FFmpeg detects the format from the content, and some formats (playlists, `concat`) name other files or addresses to
read.  So only self-contained formats are permitted, the child gets an open file and cannot open another, and its
memory, time and output are limited.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Self

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE
from protocol.codecs.wav import MOST_CHANNELS

from .container_child import FAULTS, LONGEST_SECONDS, FileFault

_LONGEST_RUN = 900.0
"""Seconds: 4 hours of audio take about half a minute."""

_CHUNK = 1 << 20

_COMMAND = (sys.executable, "-P", "-m", "streaming.audio.files.container_child")


class ContainerError(Exception):
    """The file has no audio that can be decoded here.  The text says why."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded audio; `body`: 16-bit samples at 8 kHz, channels interleaved."""

    channels: int
    body: bytes


class ContainerStream:
    """
    The audio of a file in memory, decoded by a child process while it is read: memory stays flat.

    All methods block.  `close` must be called.
    """

    rate = CALL_RATE

    def __init__(self, content: bytes) -> None:
        """Begin to decode `content`.  Raises ContainerError if there is no audio."""
        with _in_memory(content) as file:
            self._child = subprocess.Popen(  # noqa: S603  # the command has no external input
                _COMMAND, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        assert self._child.stdout is not None
        self._pipe = self._child.stdout
        self.fault: str | None = None
        """Why the file was not read to its end."""

        self._watch = threading.Timer(LONGEST_SECONDS, self._child.kill)
        self._watch.daemon = True
        self._watch.start()
        head = self._pipe.read(1)
        self.channels = min(head[0], MOST_CHANNELS) if head else 0
        if not self.channels:
            status = self._child.wait()
            self.close()
            raise ContainerError(_reason(status))

    def pieces(self, frames: int) -> Iterator[Pcm]:
        """
        Yield int16 `[n, channels]`, at most `frames` samples at 8 kHz at a time.

        Ends early and sets `fault` if the file is too long, or takes too much time or memory.
        """
        size, left = 2 * self.channels, LONGEST_SECONDS * CALL_RATE
        while (body := self._pipe.read(frames * size)) and left > 0:
            whole = len(body) // size
            left -= whole
            yield np.frombuffer(body, "<i2", whole * self.channels).reshape(-1, self.channels)
        status = FAULTS[FileFault.TOO_LONG] if left <= 0 else self._child.wait()
        self.fault = _reason(status) if status else None

    def close(self) -> None:
        """End the child process.  Idempotent."""
        self._watch.cancel()
        self._child.kill()
        self._child.wait()
        self._pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _in_memory(content: bytes) -> IO[bytes]:
    """Return a file with `content` that is not on a disk, where the system has such files (Linux)."""
    if hasattr(os, "memfd_create"):
        file: IO[bytes] = os.fdopen(os.memfd_create("recording"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    file.write(content)
    file.flush()
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return file


def decode_container(file: IO[bytes]) -> Decoded:
    """Decode the first audio stream of an open file, from its beginning.  Raises ContainerError."""
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # `seek` may move within the buffer only
    with subprocess.Popen(  # noqa: S603  # the command has no external input
        _COMMAND, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        watch = threading.Timer(_LONGEST_RUN, child.kill)
        watch.start()
        try:
            assert child.stdout is not None
            decoded = _read(child.stdout)
            status = FAULTS[FileFault.TOO_LONG] if decoded is None else child.wait()
        finally:
            watch.cancel()
            child.kill()
    if status or decoded is None:
        raise ContainerError(_reason(status))
    return decoded


def _read(pipe: IO[bytes]) -> Decoded | None:
    """Read the output of the child; None if it exceeds the limit, which the child is not trusted to keep."""
    head = pipe.read(1)
    channels = min(head[0], MOST_CHANNELS) if head else 0
    body, most = bytearray(), LONGEST_SECONDS * CALL_RATE * 2 * channels
    while chunk := pipe.read(_CHUNK):
        body += chunk
        if len(body) > most:
            return None
    return Decoded(channels, bytes(body))


_REASONS = {
    FAULTS[
        FileFault.STRANGE
    ]: "its sample rate or its number of channels is out of range for a recording",
    FAULTS[FileFault.TOO_LONG]: f"it is longer than {LONGEST_SECONDS // 3_600} hours: split it",
    FAULTS[
        FileFault.NO_LIBRARY
    ]: "reading this format needs PyAV: pip install 'trunkline[codecs]', or convert the file to WAV",
}


def _reason(status: int) -> str:
    """Turn an exit status into a text for the user."""
    if status < 0:  # a signal: one of the limits
        return "decoding it exceeds the time or memory limit for recordings"
    return _REASONS.get(status, "it contains no readable audio")
