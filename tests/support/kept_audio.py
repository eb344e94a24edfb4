"""A folder and a key file for kept audio, and what the parts of a call hold."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from protocol.audio import Pcm
from protocol.kept_audio.master_keys import MasterKeys, new_key, read_master_keys
from transcripts.database.schema import audio_parts, calls
from transcripts.kept_audio.part_reader import PartReader
from transcripts.store import Store


def audio_settings(folder: Path) -> dict[str, Any]:
    """The settings of kept audio for gateway, recorder and API; makes the key file."""
    key_file = folder / "audio.key"
    if not key_file.exists():
        key_file.write_bytes(base64.b64encode(new_key()) + b"\n")
    return {"audio_folder": str(folder / "audio"), "audio_key_file": str(key_file)}


def master_keys(folder: Path) -> MasterKeys:
    """The keys in the key file."""
    return read_master_keys((folder / "audio.key").read_text())


def parts_of(store: Store, folder: Path, call_id: str) -> list[PartReader]:
    """Open the parts of a stored call, in the order of its log."""
    query = (
        select(audio_parts)
        .join(calls, calls.c.id == audio_parts.c.call)
        .where(calls.c.call_id == call_id)
        .order_by(audio_parts.c.seq)
    )
    with store._engine.connect() as connection:
        rows = connection.execute(query).all()
    keys = master_keys(folder)
    return [
        PartReader.open(folder / "audio" / f"{row.part}.part", keys.unwrap(row.key, row.part))
        for row in rows
        if (folder / "audio" / f"{row.part}.part").exists()
    ]


def heard_in(parts: list[PartReader], channel: int, length: int) -> Pcm:
    """What parts hold of a channel, with silence where they hold nothing: int16 `[length]`."""
    whole = np.zeros(length, dtype=np.int16)
    for part in parts:
        for record in part.records:
            pcm = part.read(record)
            if record.head.channel == channel and pcm is not None:
                whole[record.head.position :][: len(pcm)] = pcm[: length - record.head.position]
    return whole
