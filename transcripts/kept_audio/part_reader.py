"""Reads the audio parts of a call.  A part that was cut or damaged gives what is left of it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from protocol.audio import Pcm
from protocol.kept_audio.chunk_cipher import DamagedChunkError
from protocol.kept_audio.parts import (
    FILE_HEAD_BYTES,
    RECORD_HEAD_BYTES,
    PartDecoder,
    RecordHead,
    record_head,
)


@dataclass(frozen=True, slots=True)
class PlacedRecord:
    """A record of a part, not read yet.  `position`: at the part's rate."""

    offset: int
    head: RecordHead

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.head.position + self.head.samples


@dataclass(slots=True)
class PartReader:
    """One open part.  `records`: without the last one, which only ends the part."""

    rate: int
    records: list[PlacedRecord]
    is_closed: bool
    """Whether the gateway has closed the part."""

    changed_at: float
    """Time of the last change, in Unix seconds."""

    _file: BinaryIO = field(repr=False)
    _decoder: PartDecoder = field(repr=False)

    @classmethod
    def open(cls, path: Path, key: bytes) -> "PartReader":
        """Open a part and find its records.  Raises OSError, or DamagedChunkError for another kind of file."""
        file = path.open("rb")
        try:
            decoder = PartDecoder(key, file.read(FILE_HEAD_BYTES))
            found = list(_records(file))
        except BaseException:
            file.close()
            raise
        audio = [one for one in found if not one.head.is_end]
        changed_at = os.fstat(file.fileno()).st_mtime
        return cls(decoder.rate, audio, len(audio) < len(found), changed_at, file, decoder)

    def read(self, record: PlacedRecord) -> Pcm | None:
        """Return the samples of a record: int16 `[n]`; None if it is damaged."""
        self._file.seek(record.offset)
        try:
            return self._decoder.samples(record.head, self._file.read(record.head.length))
        except DamagedChunkError:
            return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _records(file: BinaryIO) -> Iterator[PlacedRecord]:
    """Find the records, up to the first that is cut or damaged."""
    size = file.seek(0, 2)
    offset = FILE_HEAD_BYTES
    while True:
        file.seek(offset)
        head = record_head(file.read(RECORD_HEAD_BYTES))
        offset += RECORD_HEAD_BYTES
        if head is None or offset + head.length > size:
            return
        yield PlacedRecord(offset, head)
        offset += head.length
