"""A folder and a key file for kept audio, and what the parts of a call hold."""

import base64
import io
from pathlib import Path
from typing import Any

import av
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


def decoded(content: bytes) -> Pcm:
    """Decode an Ogg Opus file at 8 kHz, as a player does: int16 `[n, channels]`."""
    with av.open(io.BytesIO(content), "r") as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("s16", stream.layout, 8_000)
        frames = [
            out.to_ndarray().reshape(-1, stream.channels)
            for frame in [*container.decode(stream), None]
            for out in resampler.resample(frame)
        ]
    return np.concatenate(frames)


def packets_of(content: bytes) -> list[bytes]:
    """The Opus frames of an Ogg file."""
    with av.open(io.BytesIO(content), "r") as container:
        return [bytes(one) for one in container.demux(container.streams.audio[0]) if one.size]


def loudness(samples: Pcm) -> list[float]:
    """The root mean square of each tenth of a second of one channel."""
    tenths = samples[: len(samples) // 800 * 800].astype(np.float64).reshape(-1, 800)
    return [float(one) for one in np.sqrt((tenths**2).mean(axis=1))]
