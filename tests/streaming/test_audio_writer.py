"""The thread that keeps audio: bounded before a disk that hangs, whole records on a disk that is full."""

import os
import resource
import threading
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from protocol.audio import Pcm
from protocol.events import AudioKept
from protocol.kept_audio.chunk_cipher import new_salt
from protocol.kept_audio.master_keys import MasterKeys, new_key
from protocol.kept_audio.parts import PartEncoder
from streaming.audio_writer import AudioWriter, CallAudio, _PartFile, _Samples
from streaming.metrics import GatewayMeter
from transcripts.kept_audio.part_reader import PartReader

RATE = 8_000
KEYS = MasterKeys((new_key(),))
SPEECH: Pcm = np.random.default_rng(2).integers(-9_000, 9_000, 20 * RATE).astype(np.int16)
TICK = 160


class KeptFile:
    """A writer with its metrics, and one call."""

    def __init__(self, folder: Path, most_waiting: int = 10_000_000) -> None:
        self.folder = folder
        self.registry = CollectorRegistry()
        self.writer = AudioWriter(folder, KEYS, GatewayMeter(self.registry), most_waiting)
        self.call = CallAudio(self.writer, RATE, is_checked=True)

    def missing(self, reason: str) -> float:
        found = self.registry.get_sample_value(
            "trunkline_audio_not_kept_seconds_total", {"reason": reason}
        )
        return found or 0.0

    def speak(self, start: int, end: int, channel: int = 0) -> None:
        for at in range(start, end, TICK):
            self.call.add(channel, at, SPEECH[at : at + TICK])

    def read(self, kept: AudioKept) -> PartReader:
        key = KEYS.unwrap(kept.key, kept.part)
        return PartReader.open(self.folder / f"{kept.part}.part", key)


def samples(part: PartReader, channel: int = 0) -> dict[int, Pcm]:
    """The samples of a channel by the position of their record."""
    found = {}
    for one in part.records:
        pcm = part.read(one)
        assert pcm is not None
        if one.head.channel == channel:
            found[one.head.position] = pcm
    return found


def test_each_channel_is_kept_by_position_in_a_file_without_its_samples(tmp_path: Path) -> None:
    it = KeptFile(tmp_path)
    kept = it.call.begin()
    it.speak(0, 2 * RATE)
    it.speak(RATE, 3 * RATE, channel=1)
    it.speak(5 * RATE, 5 * RATE + 800)  # behind a gap, and less than a second

    it.call.close()
    it.writer.stop()

    part = it.read(kept)
    first = samples(part)
    assert part.is_closed
    assert list(first) == [0, RATE, 5 * RATE]
    assert np.array_equal(np.concatenate([first[0], first[RATE]]), SPEECH[: 2 * RATE])
    assert np.array_equal(first[5 * RATE], SPEECH[5 * RATE :][:800])
    assert list(samples(part, 1)) == [RATE, 2 * RATE]
    content = (tmp_path / f"{kept.part}.part").read_bytes()
    raw = SPEECH[: 2 * RATE].tobytes()
    assert not any(raw[at : at + 16] in content for at in range(0, len(raw), 320))
    assert (tmp_path / f"{kept.part}.part").stat().st_mode & 0o077 == 0
    part.close()


def test_a_call_without_audio_leaves_an_empty_part(tmp_path: Path) -> None:
    it = KeptFile(tmp_path)
    kept = it.call.begin()

    it.call.close()
    it.writer.stop()

    part = it.read(kept)
    assert (part.records, part.is_closed) == ([], True)
    part.close()


def test_a_disk_that_hangs_holds_up_nobody_and_costs_bounded_memory(tmp_path: Path) -> None:
    """A named pipe without a reader: opening it blocks, as a dead network file system does."""
    it = KeptFile(tmp_path, most_waiting=4 * 2 * RATE)
    kept = it.call.begin()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    hung = _PartFile(pipe, PartEncoder(new_key(), new_salt(), RATE))

    it.writer.put(_Samples(hung, 0, 0, SPEECH[:RATE]))
    it.speak(0, 20 * RATE)  # returns

    assert it.missing("queue") == 17.0
    reader = threading.Thread(target=pipe.read_bytes)  # the disk answers again
    reader.start()
    it.writer.end(hung)
    it.call.close()
    it.writer.stop()
    reader.join()
    part = it.read(kept)
    assert list(samples(part)) == [0, RATE, 2 * RATE]
    part.close()


def test_on_a_full_disk_whole_records_stay_and_the_call_is_kept_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    it = KeptFile(tmp_path)
    kept = it.call.begin()
    path = tmp_path / f"{kept.part}.part"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (3 * 2 * RATE, before[1])
        )  # two records and a half
        it.speak(0, 5 * RATE)
        _until_written(it.writer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    it.speak(5 * RATE, 7 * RATE)
    it.call.close()
    it.writer.stop()

    part = it.read(kept)
    assert it.missing("disk") == 3.0
    assert list(samples(part)) == [0, RATE, 5 * RATE, 6 * RATE]
    assert np.array_equal(samples(part)[6 * RATE], SPEECH[6 * RATE : 7 * RATE])
    assert part.is_closed
    assert path.stat().st_size == part.records[-1].offset + part.records[-1].head.length + 37
    part.close()


def test_a_folder_that_cannot_be_made_is_counted_and_the_call_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    it = KeptFile(tmp_path / "file" / "audio")
    it.call.begin()

    it.speak(0, 3 * RATE)
    it.call.close()
    it.writer.stop()

    assert it.missing("disk") == 3.0


@pytest.mark.parametrize("cut", [1, 20, 37, 9_000, 15_999])
def test_a_part_cut_anywhere_gives_the_records_before_the_cut(tmp_path: Path, cut: int) -> None:
    it = KeptFile(tmp_path)
    kept = it.call.begin()
    it.speak(0, 3 * RATE)
    it.call.close()
    it.writer.stop()
    path = tmp_path / f"{kept.part}.part"

    os.truncate(path, path.stat().st_size - 37 - cut)  # without the end, and with half a record

    part = it.read(kept)
    assert not part.is_closed
    assert list(samples(part)) == [0, RATE]
    part.close()


def _until_written(writer: AudioWriter) -> None:
    """Wait until the thread has taken everything that waits."""
    done = threading.Event()
    while writer._waiting:
        done.wait(0.01)
