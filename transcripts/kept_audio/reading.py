"""Reads finished audio by range, and deletes its files.  All of this blocks."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from protocol.kept_audio.sealed_file import FILE_HEAD_BYTES, FileUnsealer, SealedChunk


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """An open file of finished audio."""

    _file: BinaryIO = field(repr=False)
    _unsealer: FileUnsealer = field(repr=False)

    @classmethod
    def open(cls, path: Path, key: bytes) -> "FinishedFile":
        """Open a file.  Raises OSError, or DamagedChunkError if it is no such file."""
        file = path.open("rb")
        try:
            return cls(file, FileUnsealer(key, file.read(FILE_HEAD_BYTES)))
        except BaseException:
            file.close()
            raise

    def read(self, chunk: SealedChunk) -> bytes:
        """Return the wanted plain bytes of a chunk.  Raises OSError or DamagedChunkError."""
        self._file.seek(chunk.offset)
        return self._unsealer.open(chunk, self._file.read(chunk.length))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def remove_files(folder: str, names: Iterable[str]) -> None:
    """Delete files of kept audio whose keys are gone.  What fails here, the recorder deletes later."""
    for name in names if folder else ():
        with contextlib.suppress(OSError):
            (Path(folder) / name).unlink(missing_ok=True)
