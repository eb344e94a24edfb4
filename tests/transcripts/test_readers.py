"""Other people's readers read our files, and every form holds the same words."""

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from support.call_records import said, transcript
from support.debian import install
from support.examples import examples

from transcripts.formats.export import export
from transcripts.transcript import Transcript

WORDS = st.lists(st.text("abcdefghäöé", min_size=1, max_size=12), min_size=1, max_size=40)
TALK = transcript(
    said("thank", "you", "for", "-->", "calling", "<Acme>", "&", "sons", seconds=4),
    said("=1+1", "hello", channel=1, start=40_000),
)


def words_of(talk: Transcript, form: str) -> list[str]:
    """The words that a reader of the form finds, without the roles."""
    written = export(talk, form)
    match form:
        case "srt":
            texts = [cue.content.partition(": ")[2] for cue in srt.parse(written)]
        case "vtt":
            texts = [cue.text for cue in webvtt.from_string(written).captions]
        case "csv":
            texts = [row["text"] for row in csv.DictReader(io.StringIO(written))]
        case "json":
            texts = [one["text"] for one in json.loads(written)["segments"]]
        case "ctm":
            texts = [line.split(" ")[4] for line in written.splitlines()]
        case "stm":
            texts = [line.split(" ", 5)[5] for line in written.splitlines()]
        case "md":
            lines = [line for line in written.split("\n\n") if line.startswith("**")]
            texts = [re.sub(r"^\*\*.*?\*\* ", "", line).replace("\\", "") for line in lines]
        case _:
            texts = [line.partition(": ")[2] for line in written.splitlines()]
    return [word for text in texts for word in text.split()]


@settings(max_examples=examples(20), deadline=None)
@given(first=WORDS, second=WORDS)
def test_every_form_holds_the_same_words(first: list[str], second: list[str]) -> None:
    talk = transcript(
        said(*first, seconds=9), said(*second, channel=1, number=1, start=80_000, seconds=9)
    )

    for form in ("srt", "vtt", "csv", "json", "ctm", "stm", "md", "txt"):
        assert words_of(talk, form) == [*first, *second], form


def sclite() -> str:
    """The scoring program of NIST, which reads CTM and STM."""
    for _ in range(2):
        there = Path("/usr/lib/sctk/bin/sclite")
        if found := shutil.which("sclite") or (there.exists() and str(there)):
            return found
        install("sctk")
    pytest.skip("no sctk here, and no way to install it")


def test_sclite_reads_ctm_and_stm_and_finds_the_same_words(tmp_path: Path) -> None:
    talk = transcript(
        said("thank", "you", "for", "calling", "Acme", seconds=4),
        said("hello", "there", channel=1, start=40_000),
    )
    for form in ("ctm", "stm"):
        (tmp_path / f"talk.{form}").write_text(export(talk, form))

    command = [sclite(), "-r", "talk.stm", "stm", "-h", "talk.ctm", "ctm", "-o", "sum", "stdout"]
    report = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    (total,) = (line for line in report.stdout.splitlines() if "Sum/Avg" in line)
    sentences, words, right = re.findall(r"[0-9.]+", total)[:3]
    assert (sentences, words, right) == ("2", "7", "100.0")


def test_readers_of_subtitles_find_cues_with_times_and_no_arrow_in_them() -> None:
    cues = webvtt.from_string(export(TALK, "vtt")).captions
    subtitles = list(srt.parse(export(TALK, "srt")))

    assert len(cues) == len(subtitles) == 2
    assert all("-->" not in cue.text for cue in cues)
    assert all("-->" not in one.content for one in subtitles)
    assert (cues[0].start, cues[0].end) == ("00:00:00.000", "00:00:04.000")
    assert subtitles[1].start.total_seconds() == 5.0


def test_a_cell_that_would_start_a_formula_is_text() -> None:
    rows = list(csv.DictReader(io.StringIO(export(TALK, "csv"))))

    assert rows[1]["text"] == "'=1+1 hello"
