"""
Keeps the audio of calls in encrypted files, in a thread of its own: the event loop never waits for the disk.

Loop side: `CallAudio` collects about a second of a channel and hands it over.  Thread side: `_PartFile` encrypts it
and appends it.  The queue between is bounded by `MOST_WAITING`; what does not fit is missing in the file, which
shows in a metric and in a log line.
"""

import contextlib
import errno
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import numpy as np
import structlog

from protocol.audio import Pcm
from protocol.events import AudioKept
from protocol.kept_audio.chunk_cipher import new_salt
from protocol.kept_audio.master_keys import MasterKeys, new_key
from protocol.kept_audio.parts import PartEncoder

from .metrics import GatewayMeter

MOST_WAITING = 32_000_000
"""Most bytes of samples that wait for the disk, of all calls: half a second of disk time on a slow disk."""

_COMPLAIN_SECONDS = 60.0
"""Least time between two log lines about audio that could not be kept."""

_STOP_SECONDS = 5.0
"""Longest wait of a stopping gateway for the disk."""

logger = structlog.get_logger()


@dataclass(slots=True)
class _PartFile:
    """One audio part on the disk.  Only the writer thread uses it."""

    path: Path
    encoder: PartEncoder
    _file: int = -1
    _size: int = 0

    def append(self, data: bytes) -> None:
        """Append one record, all of it or nothing.  Raises OSError."""
        self.open()
        try:
            _write_all(self._file, data)
        except OSError:
            os.ftruncate(self._file, self._size)  # a reader would stop at half a record
            raise
        self._size += len(data)

    def open(self) -> None:
        """Make the file, unless it is open.  Raises OSError."""
        if self._file >= 0:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self._file = os.open(self.path, flags, 0o600)
        try:
            _write_all(self._file, self.encoder.head)
        except OSError:
            self.close()  # the next record opens it again
            raise
        self._size = len(self.encoder.head)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)

    def finish(self) -> None:
        """Append the last record and close the file.  Raises OSError."""
        if self._file < 0:
            return
        try:
            self.append(self.encoder.end())
            os.fsync(self._file)
        finally:
            self.close()


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.write(file, rest)
        if not written:
            raise OSError(errno.ENOSPC, "nothing was written")
        rest = rest[written:]


@dataclass(frozen=True, slots=True)
class _Samples:
    """Samples of a channel to append to a part: int16 `[n]`."""

    file: _PartFile
    channel: int
    position: int
    pcm: Pcm = field(repr=False)
    rate: int = 8_000


@dataclass(frozen=True, slots=True)
class _Begin:
    """The part begins: a file without samples shows that the call had none."""

    file: _PartFile


@dataclass(frozen=True, slots=True)
class _End:
    """The part gets no more samples."""

    file: _PartFile


class AudioWriter:
    """The thread that writes, and the queue before it."""

    def __init__(
        self,
        folder: Path,
        keys: MasterKeys,
        meter: GatewayMeter,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`most_waiting`: bytes of samples; `clock` returns monotonic seconds, for the pace of log lines."""
        self._folder = folder
        self._keys = keys
        self._meter = meter
        self._most_waiting = most_waiting
        self._clock = clock
        self._queue: queue.SimpleQueue[_Begin | _Samples | _End | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._complained: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def begin(self, rate: int, *, is_checked: bool) -> tuple[_PartFile, AudioKept]:
        """Begin a part with samples at `rate` Hz."""
        name, key = secrets.token_hex(16), new_key()
        file = _PartFile(self._folder / f"{name}.part", PartEncoder(key, new_salt(), rate))
        self._start()
        self._queue.put(_Begin(file))
        return file, AudioKept(name, self._keys.wrap(key, name), is_checked)

    def put(self, samples: _Samples) -> None:
        """Queue samples.  If the queue is full, they are dropped: the call must not wait."""
        with self._lock:
            has_room = self._waiting + samples.pcm.nbytes <= self._most_waiting
            self._waiting += samples.pcm.nbytes if has_room else 0
        if has_room:
            self._queue.put(samples)
        else:
            remedy = "audio_folder is too slow for the calls of this gateway: give it a faster disk"
            self._complain("queue", samples, "queue_full", remedy)

    def end(self, file: _PartFile) -> None:
        """Queue the end of a part."""
        self._queue.put(_End(file))

    def stop(self) -> None:
        """Write what waits, for at most 5 seconds.  Blocks."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(_STOP_SECONDS)

    def _start(self) -> None:
        if (
            self._thread is None
        ):  # a daemon: a disk that hangs does not keep the gateway from ending
            self._thread = threading.Thread(target=self._run, name="audio-writer", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            match item:
                case _Begin(file):
                    with contextlib.suppress(OSError):  # the first samples try again, and tell
                        file.open()
                case _Samples():
                    self._write(item)
                case _End(file):
                    self._finish(file)
                case _:
                    assert_never(item)

    def _write(self, samples: _Samples) -> None:
        record = samples.file.encoder.record(samples.channel, samples.position, samples.pcm)
        try:
            samples.file.append(record)
            self._meter.kept(len(record))
        except OSError as exc:
            remedy = "check free space and permissions of audio_folder"
            self._complain("disk", samples, errno.errorcode.get(exc.errno or 0, "OSError"), remedy)
        finally:
            with self._lock:
                self._waiting -= samples.pcm.nbytes

    def _finish(self, file: _PartFile) -> None:
        try:
            file.finish()
        except OSError as exc:  # the recorder finishes it later, by its age
            logger.warning("audio_part_not_closed", code=errno.errorcode.get(exc.errno or 0, ""))

    def _complain(self, reason: str, samples: _Samples, code: str, remedy: str) -> None:
        self._meter.not_kept(reason, len(samples.pcm) / samples.rate)
        now = self._clock()
        if now - self._complained.get(reason, now - _COMPLAIN_SECONDS) >= _COMPLAIN_SECONDS:
            self._complained[reason] = now
            logger.error("audio_not_kept", code=code, remedy=remedy)


class CallAudio:
    """The kept audio of one call, as its channels use it.  `begin` first."""

    def __init__(self, writer: AudioWriter, rate: int, *, is_checked: bool) -> None:
        """`rate`: of the samples, in Hz; `is_checked`: whether the call's words are redacted."""
        self._writer = writer
        self._rate = rate
        self._is_checked = is_checked
        self._file: _PartFile | None = None
        self._collected: dict[int, tuple[int, list[Pcm], int]] = {}
        """For each channel: position of the first sample, samples, and their number."""

    def begin(self) -> AudioKept:
        """End the part, if there is one, and begin another.  Returns the event to log."""
        self.close()
        self._file, kept = self._writer.begin(self._rate, is_checked=self._is_checked)
        return kept

    def add(self, channel: int, position: int, pcm: Pcm) -> None:
        """Take samples of a channel: int16 `[n]` from `position`, both at the part's rate."""
        start, pieces, count = self._collected.get(channel, (position, [], 0))
        if start + count != position:  # behind a gap
            self.flush(channel)
            start, pieces, count = position, [], 0
        pieces.append(pcm)
        self._collected[channel] = start, pieces, count + len(pcm)
        if count + len(pcm) >= self._rate:
            self.flush(channel)

    def flush(self, channel: int) -> None:
        """Hand over what was collected of a channel."""
        start, pieces, count = self._collected.pop(channel, (0, [], 0))
        if count and self._file is not None:
            pcm = np.concatenate(pieces)
            self._writer.put(_Samples(self._file, channel, start, pcm, self._rate))

    def close(self) -> None:
        """Hand over everything and end the part.  Idempotent."""
        for channel in list(self._collected):
            self.flush(channel)
        if self._file is not None:
            self._writer.end(self._file)
            self._file = None
