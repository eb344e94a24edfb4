"""Both forms of a final are stored, redacted; a reader chooses one of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from support.call_records import SECOND, ended, final, recorded, started

from protocol.events import Final, Redaction, SegmentRevised, Word
from protocol.events.event_codec import entry_of
from protocol.formatting.formatter import formatted
from protocol.redaction.policy import CARD_DATA_POLICY
from protocol.redaction.whole_call import redacted_call
from transcripts.formats.export import export
from transcripts.outbox import Recorded
from transcripts.pieces import joined
from transcripts.store import Store
from transcripts.text_forms import WordsForm, in_form
from trunkline import main

_SAID = "twenty five dollars by card four two four two four two four two four two four two four two four two"


def _heard() -> Final:
    (shown,) = redacted_call([final(_SAID)], CARD_DATA_POLICY)
    return formatted(shown)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
def filled(url: str) -> Iterator[Store]:
    with closing(Store.open(url)) as store:
        store.record(recorded("c1", started(), _heard(), ended()))
        yield store


def test_both_forms_and_the_redactions_are_stored(filled: Store) -> None:
    transcript = filled.transcript("c1")
    assert transcript
    (one,) = transcript.segments

    assert one.text == "$25 by card [CARD_NUMBER]"
    assert (
        " ".join(word.text for word in one.lexical) == "twenty five dollars by card [CARD_NUMBER]"
    )
    assert [(hidden.kind, hidden.place) for hidden in one.redactions] == [("card_number", 3)]
    events = [entry.event for entry in filled.events("c1") or ()]
    assert _heard() in events


@pytest.mark.parametrize(
    ("form", "text", "place"),
    [
        (WordsForm.STORED, "$25 by card [CARD_NUMBER]", 3),
        (WordsForm.LEXICAL, "twenty five dollars by card [CARD_NUMBER]", 5),
        (WordsForm.WRITTEN, "$25 by card [CARD_NUMBER]", 3),
    ],
)
def test_a_reader_chooses_the_form(filled: Store, form: WordsForm, text: str, place: int) -> None:
    transcript = filled.transcript("c1")
    assert transcript
    (one,) = in_form(transcript, form).segments

    assert one.text == text
    assert [hidden.place for hidden in one.redactions] == [place]


def test_a_call_that_was_not_formatted_can_be_read_with_written_numbers(url: str) -> None:
    with closing(Store.open(url)) as store:
        store.record(recorded("c1", started(), final("it costs twenty five dollars"), ended()))
        transcript = store.transcript("c1")
    assert transcript

    assert "It costs $25" in export(in_form(transcript, WordsForm.WRITTEN), "txt")
    assert in_form(transcript, WordsForm.LEXICAL) == transcript


def test_a_revision_changes_both_forms_in_the_store(filled: Store, tmp_path: Path) -> None:
    heard = _heard()
    words = (Word("$25", 0), Word("[ORDER]", 8))
    said = (Word("twenty"), Word("five"), Word("dollars"), Word("[ORDER]"))
    revised = replace(heard, words=words, lexical=said, redactions=(Redaction("number", 1, 8, 16),))
    filled.record([Recorded("c1", entry_of(SegmentRevised(revised), 9))])

    transcript = filled.transcript("c1")
    assert transcript
    (one,) = transcript.segments
    assert (one.words, one.lexical, one.redactions) == (words, said, revised.redactions)


def test_the_streams_of_a_call_keep_both_forms_on_one_clock(filled: Store) -> None:
    later = replace(_heard(), redactions=(Redaction("card_number", 3, 0, SECOND),))
    filled.record(recorded("c1~2", started(), later, ended()))
    first, second = filled.transcript("c1"), filled.transcript("c1~2")
    assert first and second

    one = joined([first, second]).segments[-1]

    assert one.lexical[0].start == one.span.start
    assert (one.redactions[0].start, one.redactions[0].end) == (one.span.start, one.span.end)


def test_a_stored_call_is_redacted_in_both_forms(url: str, tmp_path: Path) -> None:
    with closing(Store.open(url)) as store:
        store.record(recorded("c1", started(), formatted(final(_SAID)), ended()))
        assert main(["redact", "c1", "--store", url]) == 0
        transcript = store.transcript("c1")
    assert transcript
    (one,) = transcript.segments

    assert one.text == "$25 by card [CARD_NUMBER]"
    assert (
        " ".join(word.text for word in one.lexical) == "twenty five dollars by card [CARD_NUMBER]"
    )
    content = (tmp_path / "calls.db").read_bytes()
    assert b"four two four" not in content and b"4242" not in content
    with closing(sqlite3.connect(tmp_path / "calls.db")) as connection:
        assert "two four" not in "\n".join(connection.iterdump())


def test_the_command_exports_the_form_that_is_asked_for(
    filled: Store, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "c1", "--store", url, "--words", "lexical"]) == 0

    assert "twenty five dollars by card [CARD_NUMBER]" in capsys.readouterr().out
