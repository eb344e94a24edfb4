"""
Makes one encrypted file of the audio of each ended call, without what was redacted, and deletes its parts.

The key of the file is stored, and the keys of the parts are deleted, in one transaction.  All of this blocks: call
it in a thread of its own.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from protocol.kept_audio.chunk_cipher import new_salt
from protocol.kept_audio.master_keys import MasterKeys, new_key
from protocol.kept_audio.sealed_file import FileSealer, chunks_of
from protocol.tenants import bare

from .mixing import Frames, rate_of, windows
from .opus_file import write_opus
from .part_reader import PartReader
from .reading import FinishedFile
from .silencing import ChunkSource, silence
from .values import KeptAudio, StaleAudio, UnfinishedAudio, finished_file, part_file

_SILENT_SECONDS = 60.0
"""Age of a part that its gateway has not closed: the gateway is gone."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_AT_ONCE = 50
_DAY = 86_400.0
_STRAY = {".audio": 600.0, ".tmp": _DAY, ".part": 7 * _DAY}
"""Seconds after which a file without a key in the store is deleted, by the end of its name."""

_Numbered = TypeVar("_Numbered", UnfinishedAudio, StaleAudio)

logger = structlog.get_logger()


class AudioStore(Protocol):
    """The store, as finishing needs it."""

    def unfinished_audio(self, after: int, limit: int) -> list[UnfinishedAudio]:
        """Return ended calls with parts, whose number is greater than `after`, in order."""
        ...

    def finish_audio(self, one: UnfinishedAudio, kept: KeptAudio | None) -> bool:
        """Store the file of a call and delete its parts.  Returns False if the call has other parts by now."""
        ...

    def stale_audio(self, after: int, limit: int) -> list[StaleAudio]:
        """Return finished audio of calls of which data was redacted later, numbered above `after`, in order."""
        ...

    def replace_audio(self, one: StaleAudio, kept: KeptAudio) -> bool:
        """Store a file in place of a stale one.  Returns False if the stale one is not stored any more."""
        ...

    def audio_files(self, call_id: str | None = None) -> set[str]:
        """Return the names of all files that have a key, or of those of one call with its streams."""
        ...


class _StoppedError(Exception):
    """The recorder stops."""


class AudioFinisher:
    """Finishes the audio of ended calls, one after the other."""

    def __init__(
        self,
        store: AudioStore,
        folder: Path,
        keys: MasterKeys,
        settle_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`settle_seconds`: from the first sight of an ended call until it is finished; `now`: Unix seconds."""
        self._store = store
        self._folder = folder
        self._keys = keys
        self._settle_seconds = settle_seconds
        self._now = now
        self._seen: dict[int, float] = {}
        self._complained: set[int] = set()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End `run` soon.  Safe to call from any thread."""
        self._stopping.set()

    def run(self) -> int:
        """Finish all calls that are due, silence later redactions.  Returns how many.  Raises StoreError."""
        finished, seen = 0, dict[int, float]()
        for stale in _all(self._store.stale_audio):
            if self._stopping.is_set():
                break
            seen[stale.call] = 0.0
            finished += self._silence(stale)
        for one in _all(self._store.unfinished_audio):
            seen[one.call] = self._seen.get(one.call, self._now())
            if self._stopping.is_set():
                break
            if self._now() - seen[one.call] >= self._settle_seconds:
                finished += self._finish(one)
        self._seen = seen
        self._complained &= set(seen)
        return finished

    def sweep(self) -> int:
        """Delete files that have no key any more, or never got one.  Returns how many.  Raises StoreError."""
        known, gone = self._store.audio_files(), 0
        for path in sorted(self._folder.glob("*.*")):
            age = self._now() - path.stat().st_mtime
            if path.name not in known and age > _STRAY.get(path.suffix, age):
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _finish(self, one: UnfinishedAudio) -> bool:
        try:
            with ExitStack() as opened:
                parts = [opened.enter_context(closing(part)) for part in self._open(one)]
                if not all(map(self._is_over, parts)):
                    return False
                kept = self._make(one, parts)
        except _StoppedError:
            return False
        except Exception as exc:  # noqa: BLE001  # one call's audio holds up neither others nor the recorder
            self._complain(one, exc)
            return False
        is_stored = self._store.finish_audio(one, kept)
        if is_stored:
            self._delete(part_file(part.name) for part in one.parts)
        elif kept:  # the call was deleted, or another recorder was faster
            self._delete([finished_file(kept.file)])
        return is_stored

    def _silence(self, one: StaleAudio) -> bool:
        """Make a file without what was redacted after the stale one was made."""
        try:
            key = self._keys.unwrap(one.kept.key, one.kept.file)
            path = self._folder / finished_file(one.kept.file)
            with closing(FinishedFile.open(path, key)) as file:
                source = ChunkSource(map(file.read, chunks_of(0, one.kept.size - 1, one.kept.size)))
                kept = self._sealed(lambda write: silence(source, one.redacted, write, self._go_on))
        except _StoppedError:
            return False
        except Exception as exc:  # noqa: BLE001  # as in `_finish`
            self._complain(one, exc)
            return False
        is_stored = self._store.replace_audio(one, kept)
        self._delete([finished_file((one.kept if is_stored else kept).file)])
        return is_stored

    def _delete(self, names: Iterable[str]) -> None:
        for name in names:
            (self._folder / name).unlink(missing_ok=True)

    def _open(self, one: UnfinishedAudio) -> Iterator[PartReader]:
        for part in one.parts:
            key = self._keys.unwrap(part.key, part.name)
            yield PartReader.open(self._folder / part_file(part.name), key)

    def _is_over(self, part: PartReader) -> bool:
        return part.is_closed or self._now() - part.changed_at > _SILENT_SECONDS

    def _make(self, one: UnfinishedAudio, parts: Sequence[PartReader]) -> KeptAudio | None:
        """Write the file.  Returns None if the parts hold no samples."""
        if not any(part.records for part in parts):
            return None
        mixed = windows(parts, one.channels, one.duration, one.redacted)
        return self._sealed(
            lambda write: write_opus(self._interruptible(mixed), rate_of(parts), write)
        )

    def _sealed(self, fill: Callable[[Callable[[bytes], None]], None]) -> KeptAudio:
        """Write an encrypted file.  `fill` is called with a function that takes its plain bytes."""
        name, key = secrets.token_hex(16), new_key()
        sealer = FileSealer(key, new_salt())
        temporary = self._folder / f"{name}.tmp"
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o600), "wb") as file:
                file.write(sealer.head)
                fill(lambda plain: _write(file.write, sealer.feed(plain)))
                file.write(sealer.finish())
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._folder / finished_file(name))
        finally:
            temporary.unlink(missing_ok=True)
        return KeptAudio(name, self._keys.wrap(key, name), sealer.size)

    def _interruptible(self, mixed: Iterator[Frames]) -> Iterator[Frames]:
        for frames in mixed:
            self._go_on()
            yield frames

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError

    def _complain(self, one: UnfinishedAudio | StaleAudio, exc: Exception) -> None:
        if one.call not in self._complained:
            self._complained.add(one.call)
            remedy = (
                "check audio_folder and audio_key_file: the files of this call stay until it works"
            )
            logger.error(
                "audio_not_finished",
                call_id=bare(one.call_id),
                error=type(exc).__name__,
                remedy=remedy,
            )


def _all(read: Callable[[int, int], Sequence[_Numbered]]) -> Iterator[_Numbered]:
    """Read all rows, some at a time."""
    after = -1
    while found := read(after, _AT_ONCE):
        yield from found
        after = found[-1].call


def _write(write: Callable[[bytes], int], data: bytes) -> None:
    if data:
        write(data)
