"""Rare cases of export: hostile words, failed segments, missing audio, long calls."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.call_records import CALL, SECOND, ended, recorded, said, transcript

from protocol.events import SegmentId, Span, Timing, Word
from protocol.plain_text import plain, visible
from transcripts.formats.export import FORMS, export
from transcripts.store import Store
from transcripts.transcript import Ending, StoredSegment

HOSTILE = st.lists(st.text(min_size=1, max_size=20), max_size=12)
FAILED = StoredSegment(SegmentId(1, 0), Span(0, 8_000), Ending.FAILED, reason="the engine\ngave up")
TIMES = r"\d\d:\d\d:\d\d[,.]\d{3}"


@given(HOSTILE)
def test_srt_stays_srt_whatever_is_said(words: list[str]) -> None:
    written = export(transcript(said(*words), said(*words, channel=1, start=4 * SECOND)), "srt")

    blocks = written.split("\n\n")[:-1]
    for number, block in enumerate(blocks, 1):
        first, times, *text = block.split("\n")
        assert first == str(number)
        assert re.fullmatch(f"{TIMES} --> {TIMES}", times)
        assert 1 <= len(text) <= 2
        assert text[0].startswith(("agent: ", "customer: "))
        assert "-->" not in "".join(text)


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_an_arrow_in_the_words_is_no_time(form: str) -> None:
    written = export(transcript(said("from", "-->", "to")), form)

    assert written.count("-->") == 1


@given(HOSTILE)
def test_vtt_stays_vtt_whatever_is_said(words: list[str]) -> None:
    written = export(transcript(said(*words)), "vtt")

    head, *blocks = written.split("\n\n")[:-1]
    assert head == "WEBVTT"
    for block in blocks:
        times, *text = block.split("\n")
        assert re.fullmatch(f"{TIMES} --> {TIMES}", times)
        assert text[0].startswith("<v Agent>")
        assert not set("<>") & set("".join(text).removeprefix("<v Agent>"))


@given(HOSTILE)
def test_txt_has_one_line_for_each_segment_whatever_is_said(words: list[str]) -> None:
    written = export(
        transcript(said("before"), said(*words, start=SECOND), said("after", start=9_999)), "txt"
    )

    assert written.count("\n") == 2 + bool(words)


@given(HOSTILE)
def test_ctm_has_six_columns_whatever_is_said(words: list[str]) -> None:
    written = export(transcript(said(*words)), "ctm")

    assert {len(line.split(" ")) for line in written.split("\n")[:-1]} <= {6}
    assert written.count("\n") == sum(1 for word in words if plain(word))


@given(HOSTILE)
def test_json_and_csv_bring_back_what_was_said(words: list[str]) -> None:
    talk = transcript(said(*words))

    (segment,) = json.loads(export(talk, "json"))["segments"]
    rows = list(csv.reader(io.StringIO(export(talk, "csv"), newline="")))

    assert [word["w"] for word in segment["words"]] == words
    assert [row[3].removeprefix("'") for row in rows[1:]] == (
        [visible(" ".join(words)).removeprefix("'")] if words else []
    )


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "＝", "＋", "－", "＠"]
)
@pytest.mark.parametrize("column", ["text", "keywords", "engine"])
def test_no_cell_of_a_csv_is_a_formula(start: str, column: str) -> None:
    cell = f"{start}HYPERLINK(1)"
    one = replace(said("word"), keywords_found=("Acme",), engine="e")
    one = {
        "text": replace(one, words=(Word(cell),)),
        "keywords": replace(one, keywords_found=(cell,)),
        "engine": replace(one, engine=cell),
    }[column]

    (row,) = csv.DictReader(io.StringIO(export(transcript(one), "csv"), newline=""))

    assert row[column] == f"'{cell}"


def test_a_plain_cell_of_a_csv_is_left_as_it_is() -> None:
    (row,) = csv.DictReader(io.StringIO(export(transcript(said("1", "+", "1 = 2")), "csv")))

    assert row["text"] == "1 + 1 = 2"


def test_txt_says_where_words_are_missing() -> None:
    written = export(transcript(FAILED, said("hello", start=SECOND)), "txt")

    assert written == "[00:00] customer: (failed: the engine gave up)\n[00:01] agent: hello\n"


@pytest.mark.parametrize("form", ["srt", "vtt", "csv", "ctm"])
def test_forms_for_words_leave_out_what_has_none(form: str) -> None:
    assert export(transcript(FAILED), form) == export(transcript(), form)


def test_ctm_is_sorted_as_sclite_wants_it() -> None:
    """By channel, then by time (https://github.com/usnistgov/SCTK, infmts.htm#ctm_fmt_name_0)."""
    words = [Word("second", 12_000, 16_000, 0.25), Word("first", 8_000, 12_000)]
    talk = transcript(said("yes", channel=1), said(*words, start=8_000))

    assert export(talk, "ctm").splitlines() == [
        "c1 1 1.00 0.50 first 1.00",
        "c1 1 1.50 0.50 second 0.25",
        "c1 2 0.00 2.00 yes 1.00",
    ]


def test_a_call_may_last_longer_than_an_hour() -> None:
    late = transcript(said("late", start=(99 * 60 + 5) * SECOND, seconds=1))

    assert export(late, "txt") == "[99:05] agent: late\n"
    assert "01:39:05,000 --> 01:39:06,000" in export(late, "srt")


def test_json_accounts_for_the_whole_call(store: Store) -> None:
    store.record(recorded("c1", *CALL))
    stored = store.transcript("c1")
    assert stored is not None

    body = json.loads(export(stored, "json"))

    account = body["channels"][0]
    assert account["transcribed_ms"] == ended().channels[0].transcribed // 8
    assert sum(account.values()) == body["duration_ms"] == 60_000
    assert body["gaps"] == [
        {
            "channel": 1,
            "role": "customer",
            "start_ms": 3_000,
            "end_ms": 4_000,
            "reason": "frames missing",
            "account": "lost_upstream",
        }
    ]
    assert [one["accepted"] for one in body["keywords"]] == [["Acme"], ["Acme", "Orvanta"]]
    assert [(one["segment_id"], one["type"], one.get("reason")) for one in body["segments"]] == [
        ("0-0", "final", None),
        ("1-0", "final", None),
        ("1-1", "failed", "the engine gave up"),
        ("0-1", "dropped", "overload"),
        ("0-2", "final", None),
    ]


def test_json_says_only_what_is_known_of_a_word() -> None:
    one = replace(said(Word("known", 8, 16, 0.98765), "unknown"), timing=Timing(5, 70))

    (segment,) = json.loads(export(transcript(one), "json"))["segments"]

    assert segment["words"] == [{"w": "known", "s": 1, "e": 2, "c": 0.988}, {"w": "unknown"}]
    assert segment["latency"] == {"queue_ms": 5, "engine_ms": 70}


def test_another_form_is_refused() -> None:
    assert "pdf" not in FORMS
    with pytest.raises(KeyError):
        export(transcript(), "pdf")


@given(
    st.sampled_from(FORMS),
    st.lists(st.text("\x1b\x9b\x07\x7f\u202e\u2067ab->"), min_size=1, max_size=4),
)
def test_no_form_carries_what_a_terminal_obeys(form: str, words: list[str]) -> None:
    written = export(transcript(said(*words)), form)

    assert not set("\x1b\x9b\x07\x7f\u202e\u2067") & set(written)
