"""One file is made of the parts of an ended call: redacted spans silent, positions kept, keys of parts destroyed."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.call_records import ended, final, recorded, started
from support.kept_audio import audio_settings, decoded, loudness, master_keys, packets_of
from support.stores import with_tables

from protocol.audio import Encoding, Pcm, encode
from protocol.clock import CALL_RATE
from protocol.events import (
    AudioKept,
    DtmfPressed,
    Final,
    LoggedEvent,
    Redaction,
    SegmentFailed,
    SegmentId,
    SegmentRevised,
    Span,
    Withheld,
)
from protocol.kept_audio.chunk_cipher import DamagedChunkError
from protocol.kept_audio.master_keys import new_key
from protocol.kept_audio.sealed_file import chunks_of
from streaming.audio_writer import AudioWriter, CallAudio
from streaming.metrics import GatewayMeter
from transcripts.kept_audio.finishing import AudioFinisher
from transcripts.kept_audio.reading import FinishedFile
from transcripts.kept_audio.values import KeptAudio, finished_file
from transcripts.store import Store

SECOND = CALL_RATE
NOISE: Pcm = np.random.default_rng(3).normal(0, 4_000, 20 * SECOND).astype(np.int16)
QUIET, LOUD = 60.0, 1_000.0


class Site:
    """A store, a folder, and a finisher."""

    def __init__(self, folder: Path) -> None:
        audio_settings(folder)
        self.folder = folder / "audio"
        self.keys = master_keys(folder)
        self.store = Store.open(with_tables(f"sqlite:///{folder / 'store.db'}"))
        self.finisher = AudioFinisher(self.store, self.folder, self.keys, 0.0)

    def keep(
        self, *pieces: tuple[int, int, Pcm], rate: int = SECOND, close: bool = True
    ) -> AudioKept:
        """Write a part: for each piece channel, position and samples."""
        writer = AudioWriter(self.folder, self.keys, GatewayMeter())
        call = CallAudio(writer, rate, is_checked=True)
        kept = call.begin()
        for channel, position, pcm in pieces:
            call.add(channel, position, pcm)
            call.flush(channel)
        if close:
            call.close()
        writer.stop()
        return kept

    def finish(self, call_id: str, *events: LoggedEvent, seconds: int = 20) -> KeptAudio | None:
        """Store a call and finish it."""
        end = ended(duration=seconds * SECOND)
        self.store.record(recorded(call_id, started(), *events, end))
        self.finisher.run()
        return self.store.kept_audio(call_id)

    def content(self, kept: KeptAudio) -> bytes:
        """The plain bytes of a finished file."""
        path = self.folder / finished_file(kept.file)
        file = FinishedFile.open(path, self.keys.unwrap(kept.key, kept.file))
        found = b"".join(map(file.read, chunks_of(0, kept.size - 1, kept.size)))
        file.close()
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.store.close()


def redacted(number: int, start: int | None, end: int | None, span: Span) -> Final:
    said = replace(final("my card is [CARD_NUMBER]", number=number), span=span)
    return replace(said, redactions=(Redaction("card_number", 3, start, end),))


def test_what_was_redacted_is_silent_on_all_channels_and_nothing_else_is(site: Site) -> None:
    """Words with times, words without, a late revision, redacted keys, a segment that nobody checked."""
    kept = site.keep((0, 0, NOISE), (1, 0, NOISE[::-1]))
    plain = replace(final("four two", number=2), span=Span(9 * SECOND, 10 * SECOND))
    events: list[LoggedEvent] = [
        kept,
        redacted(0, 2 * SECOND, 3 * SECOND, Span(SECOND, 5 * SECOND)),
        redacted(1, None, None, Span(6 * SECOND, 7 * SECOND)),
        plain,
        SegmentRevised(replace(plain, redactions=(Redaction("card_number", 0),))),
        DtmfPressed(1, "[CARD_NUMBER]", 12 * SECOND, "card_number", 14 * SECOND),
        SegmentFailed(SegmentId(0, 3), Span(16 * SECOND, 17 * SECOND), "no worker"),
        DtmfPressed(0, "1", 19 * SECOND),
    ]

    done = site.finish("c1", *events)

    assert done is not None
    heard = decoded(site.content(done))
    assert heard.shape == (20 * SECOND, 2)
    silent = [(1.7, 3.3), (5.7, 7.3), (8.7, 10.3), (11.7, 14.3), (15.7, 17.3)]
    for channel in (0, 1):
        for tenth, level in enumerate(loudness(heard[:, channel])):
            at = tenth / 10
            if any(start + 0.05 <= at <= end - 0.15 for start, end in silent):
                assert level < QUIET, at
            elif not any(start - 0.15 < at < end + 0.05 for start, end in silent):
                assert level > LOUD, at


def test_background_speech_is_silent_because_its_words_were_not_checked(site: Site) -> None:
    kept = site.keep((0, 0, NOISE))
    far = replace(final("x"), words=(), span=Span(SECOND, 3 * SECOND))

    done = site.finish("c1", kept, replace(far, flags=(Withheld.BACKGROUND.flag,)))

    assert done is not None
    heard = loudness(decoded(site.content(done))[:, 0])
    assert max(heard[10:28]) < QUIET
    assert min(heard[35:]) > LOUD


def test_crosstalk_of_redacted_words_is_silent_and_other_crosstalk_is_not(site: Site) -> None:
    kept = site.keep((0, 0, NOISE), (1, 0, NOISE[::-1]))
    echo = replace(final("x", channel=1), words=(), flags=(Withheld.CROSSTALK.flag,))

    done = site.finish(
        "c1",
        kept,
        redacted(0, 2 * SECOND, 3 * SECOND, Span(SECOND, 5 * SECOND)),
        replace(echo, segment=SegmentId(1, 0), span=Span(round(1.5 * SECOND), 4 * SECOND)),
        replace(echo, segment=SegmentId(1, 1), span=Span(6 * SECOND, 8 * SECOND)),
    )

    assert done is not None
    heard = loudness(decoded(site.content(done))[:, 1])
    assert max(heard[15:38]) < QUIET
    assert min(heard[50:]) > LOUD


def test_a_policy_that_redacts_nothing_leaves_failed_segments_audible(site: Site) -> None:
    kept = replace(site.keep((0, 0, NOISE)), is_checked=False)
    failed = SegmentFailed(SegmentId(0, 0), Span(SECOND, 3 * SECOND), "no worker")

    done = site.finish("c1", kept, failed)

    assert done is not None
    assert min(loudness(decoded(site.content(done))[:, 0])) > LOUD


def test_no_file_holds_a_sample_a_code_or_an_opus_frame_of_the_call(site: Site) -> None:
    kept = site.keep((0, 0, NOISE[: 6 * SECOND]))
    parts = b"".join(path.read_bytes() for path in site.folder.iterdir())

    done = site.finish("c1", kept, seconds=6)

    assert done is not None
    content = site.content(done)
    files = parts + b"".join(path.read_bytes() for path in site.folder.iterdir())
    needles = [
        *(NOISE.tobytes()[at : at + 12] for at in range(0, 2 * len(NOISE), 640)),
        *(encode(NOISE, Encoding.MULAW)[at : at + 12] for at in range(0, len(NOISE), 320)),
        *(packet[:12] for packet in packets_of(content)),
        content[:64],
        b"OggS",
        b"OpusHead",
    ]
    assert len(packets_of(content)) >= 300
    assert [needle for needle in needles if needle in files] == []


def test_the_parts_and_their_keys_are_gone_when_the_file_is_there(site: Site) -> None:
    kept = site.keep((0, 0, NOISE))

    done = site.finish("c1", kept)

    assert done is not None
    assert [path.name for path in site.folder.iterdir()] == [finished_file(done.file)]
    assert site.store.audio_files() == {finished_file(done.file)}
    assert site.store.unfinished_audio(-1, 9) == []
    database = b"".join(path.read_bytes() for path in site.folder.parent.glob("store.db*"))
    site.store.erase_traces()
    after = b"".join(path.read_bytes() for path in site.folder.parent.glob("store.db*"))
    assert done.key in database
    assert kept.key not in after


def test_a_deleted_call_leaves_a_file_that_no_key_of_the_site_opens(site: Site) -> None:
    done = site.finish("c1", site.keep((0, 0, NOISE)))
    assert done is not None
    path = site.folder / finished_file(done.file)

    site.store.delete("c1")

    assert site.store.kept_audio("c1") is None
    database = b"".join(one.read_bytes() for one in site.folder.parent.glob("store.db*"))
    assert done.key not in database
    for key in (*site.keys.keys, new_key()):
        file = FinishedFile.open(path, key)
        with pytest.raises(DamagedChunkError):
            file.read(chunks_of(0, 10, done.size)[0])
        file.close()


def test_files_without_a_key_are_deleted_after_a_while_and_others_never(site: Site) -> None:
    gone, stays = (
        site.finish("gone", site.keep((0, 0, NOISE))),
        site.finish("c2", site.keep((0, 0, NOISE))),
    )
    assert gone is not None
    assert stays is not None
    live = site.keep((0, 0, NOISE))  # its event is not stored yet
    site.store.delete("gone")
    assert site.finisher.sweep() == 0

    later = time.time() + 3_600
    swept = AudioFinisher(site.store, site.folder, site.keys, 0.0, lambda: later).sweep()

    left = {path.name for path in site.folder.iterdir()}
    assert swept == 1
    assert left == {finished_file(stays.file), f"{live.part}.part"}


def test_what_was_lost_between_two_parts_is_silence_and_positions_hold(site: Site) -> None:
    """The second gateway heard a part of the first again; one second was lost; one record is damaged."""
    first = site.keep((0, 0, NOISE[: 6 * SECOND]), close=False)
    second = site.keep(
        (0, 5 * SECOND, NOISE[5 * SECOND : 9 * SECOND]), (0, 10 * SECOND, NOISE[10 * SECOND :])
    )
    _age(site.folder / f"{first.part}.part")

    done = site.finish("c1", first, second)

    assert done is not None
    levels = loudness(decoded(site.content(done))[:, 0])
    assert len(levels) == 200
    assert max(levels[91:99]) < QUIET
    assert min(*levels[:89], *levels[101:]) > LOUD


def test_a_part_that_its_gateway_still_writes_is_waited_for(site: Site) -> None:
    kept = site.keep((0, 0, NOISE), close=False)

    assert site.finish("c1", kept) is None
    _age(site.folder / f"{kept.part}.part")
    assert site.finisher.run() == 1
    assert site.store.kept_audio("c1") is not None


def test_parts_of_two_rates_and_of_three_channels_are_put_together(site: Site) -> None:
    wide = np.repeat(NOISE[: 4 * SECOND], 2)
    one = site.keep((0, 0, wide), (1, 0, wide), (2, 0, wide), rate=16_000)
    other = site.keep((1, 4 * SECOND, NOISE[: 4 * SECOND]))

    done = site.finish("c1", one, other, seconds=8)

    assert done is not None
    heard = decoded(site.content(done))
    assert heard.shape == (8 * SECOND, 2)
    assert min(loudness(heard[: 4 * SECOND - 800, 0])) > LOUD
    assert min(loudness(heard[:, 1])[1:-1]) > LOUD
    assert max(loudness(heard[4 * SECOND + 800 :, 0])) < QUIET


def test_a_folder_that_is_not_there_costs_no_key(site: Site) -> None:
    kept = site.keep((0, 0, NOISE))
    site.folder.rename(site.folder.with_name("unmounted"))

    assert site.finish("c1", kept) is None
    site.folder.with_name("unmounted").rename(site.folder)
    assert site.finisher.run() == 1


def test_a_call_without_samples_has_no_audio_and_no_part(site: Site) -> None:
    kept = site.keep()

    assert site.finish("c1", kept) is None
    assert site.store.audio_files() == set()
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [SECOND, 2 * SECOND])
def test_what_is_redacted_later_becomes_silent_and_nothing_else_changes(
    site: Site, channels: int, rate: int
) -> None:
    """By `trunkline redact`, or by a worker that answers late."""
    noise = np.repeat(NOISE, rate // SECOND)
    plain = replace(final("four two", number=0), span=Span(3 * SECOND, 9 * SECOND))
    pieces = [(channel, 0, noise) for channel in range(channels)]
    before = site.finish("c1", site.keep(*pieces, rate=rate), plain)
    assert before is not None
    told = site.content(before)

    revised = SegmentRevised(
        replace(plain, redactions=(Redaction("card_number", 0, 4 * SECOND, 6 * SECOND),))
    )
    site.store.record(recorded("c1", revised))
    assert site.finisher.run() == 1

    after = site.store.kept_audio("c1")
    assert after is not None
    assert after.key != before.key
    assert {path.name for path in site.folder.iterdir()} == {finished_file(after.file)}
    heard = decoded(site.content(after))
    assert heard.shape == decoded(told).shape
    for channel in range(channels):
        levels = loudness(heard[:, channel])
        assert max(levels[38:62]) < QUIET
        assert min(*levels[:36], *levels[65:]) > LOUD
    old, new = packets_of(told), packets_of(site.content(after))
    changed = [at for at, pair in enumerate(zip(old, new, strict=True)) if pair[0] != pair[1]]
    assert (changed[0] * 0.02, changed[-1] * 0.02) == pytest.approx((3.7, 6.3), abs=0.05)
    assert site.finisher.run() == 0


def test_what_is_redacted_while_the_file_is_made_becomes_silent_as_well(site: Site) -> None:
    plain = replace(final("four two", number=0), span=Span(3 * SECOND, 9 * SECOND))
    kept = site.keep((0, 0, NOISE))
    site.store.record(recorded("c1", started(), kept, plain, ended(duration=20 * SECOND)))
    (seen,) = site.store.unfinished_audio(-1, 9)
    revised = replace(plain, redactions=(Redaction("card_number", 0, 4 * SECOND, 6 * SECOND),))
    site.store.record(recorded("c1", SegmentRevised(revised)))

    site.store.finish_audio(seen, KeptAudio("f", b"k", 1))

    (stale,) = site.store.stale_audio(-1, 9)
    assert stale.redacted == (Span(4 * SECOND, 6 * SECOND),)


def _age(path: Path) -> None:
    os.utime(path, (1.0, 1.0))


def test_a_part_that_cannot_be_encoded_does_not_hold_up_other_calls(site: Site) -> None:
    """11,025 Hz: no gateway writes that, and Opus does not take it."""
    odd = site.keep((0, 0, NOISE), rate=11_025)
    assert site.finish("c1", odd) is None

    assert site.finish("c2", site.keep((0, 0, NOISE))) is not None
    assert site.store.kept_audio("c1") is None
