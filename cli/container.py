"""
Decode compressed audio files with FFmpeg's libraries in a confined child process.

FFmpeg detects the format from the content, and some formats (playlists, `concat`) name other files or addresses to
read.  So only self-contained formats are permitted, the child gets an open file and cannot open another, and its
memory, time and output are limited.
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
    """The file has no audio that can be decoded here.  The text says why."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Decoded audio; `body`: 16-bit samples at 8 kHz, channels interleaved."""

    channels: int
    body: bytes


def decode_container(file: IO[bytes]) -> Decoded:
    """Decode the first audio stream of an open file, from its beginning.  Raises ContainerError."""
    command = [sys.executable, "-P", "-m", "cli.container_child"]
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # `seek` may move within the buffer only
    with subprocess.Popen(  # noqa: S603  # the command has no external input
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
    """Read the output of the child; None if it exceeds the limit, which the child is not trusted to keep."""
    head = pipe.read(1)
    channels = min(head[0], MOST_CHANNELS) if head else 0
    body, most = bytearray(), LONGEST_SECONDS * CALL_RATE * 2 * channels
    while chunk := pipe.read(_CHUNK):
        body += chunk
        if len(body) > most:
            return None
    return Decoded(channels, bytes(body))


_TOLD = {
    FAULTS[
        Fault.STRANGE
    ]: "its sample rate or its number of channels is out of range for a recording",
    FAULTS[Fault.TOO_LONG]: f"it is longer than {LONGEST_SECONDS // 3_600} hours: split it",
    FAULTS[
        Fault.NO_LIBRARY
    ]: "reading this format needs PyAV: pip install av, or convert the file to WAV",
}


def _reason(status: int) -> str:
    """Turn an exit status into a text for the user."""
    if status < 0:  # a signal: one of the limits
        return "decoding it exceeds the time or memory limit for recordings"
    return _TOLD.get(status, "it contains no readable audio")
