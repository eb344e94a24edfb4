"""
Compressed audio files, decoded by FFmpeg's libraries in a child process that can do nothing else.

A file says to FFmpeg what it is, and some formats (playlists, `concat`) name other files or addresses to read.  So
only formats that hold their own audio are allowed, the child gets the open file and cannot open another, and its
memory, time and output are bounded.
"""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import IO

from protocol.clock import CALL_RATE
from protocol.wav import MOST_CHANNELS

from .container_child import FAULTS, LONGEST_SECONDS, Fault

_LONGEST_RUN = 900.0
"""Seconds: 4 hours of audio take about half a minute."""

_CHUNK = 1 << 20


class ContainerError(Exception):
    """There is no audio in it that can be read here; the text says why."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file holds: 16 bit, interleaved, at 8 kHz."""

    channels: int
    body: bytes


def decode_container(file: IO[bytes]) -> Decoded:
    """The first audio stream of an open file, read from its beginning.  ContainerError."""
    command = [sys.executable, "-P", "-m", "cli.container_child"]
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # `seek` may move within the buffer only
    with subprocess.Popen(  # noqa: S603  # no word of the command comes from outside
        command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        watch = threading.Timer(_LONGEST_RUN, child.kill)
        watch.start()
        try:
            assert child.stdout is not None
            decoded = _read(child.stdout)
            status = FAULTS[Fault.TOO_LONG] if decoded is None else child.wait()
        finally:
            watch.cancel()
            child.kill()
    if status or decoded is None:
        raise ContainerError(_reason(status))
    return decoded


def _read(pipe: IO[bytes]) -> Decoded | None:
    """What the child writes; None for more than there may be, whatever the child thinks."""
    head = pipe.read(1)
    channels = min(head[0], MOST_CHANNELS) if head else 0
    body, most = bytearray(), LONGEST_SECONDS * CALL_RATE * 2 * channels
    while chunk := pipe.read(_CHUNK):
        body += chunk
        if len(body) > most:
            return None
    return Decoded(channels, bytes(body))


_TOLD = {
    FAULTS[Fault.STRANGE]: "its sample rate or its count of channels is not that of a recording",
    FAULTS[Fault.TOO_LONG]: f"it is longer than {LONGEST_SECONDS // 3_600} hours: cut it",
    FAULTS[
        Fault.NO_LIBRARY
    ]: "it takes PyAV to read this: pip install av, or convert the file to WAV",
}


def _reason(status: int) -> str:
    """In words for whoever named the file."""
    if status < 0:  # a signal: one of the limits
        return "reading it takes more time or memory than a recording may"
    return _TOLD.get(status, "there is no audio in it that can be read")
