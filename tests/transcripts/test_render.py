"""A transcript on the terminal."""

from dataclasses import replace

import pytest
from rich.console import Console
from support.call_records import SECOND, said, transcript

from protocol.events import KeywordsApplied, SegmentId, Span
from transcripts.formats.render import render
from transcripts.transcript import Ending, StoredSegment, Transcript


def shown(talk: Transcript, *keywords: str, colours: bool = False) -> str:
    console = Console(
        width=100,
        force_terminal=colours,
        highlight=False,
        color_system="standard" if colours else None,
    )
    with console.capture() as captured:
        console.print(render(talk, keywords))
    return captured.get()


def marked(talk: Transcript, *keywords: str) -> list[str]:
    """The text on a yellow background."""
    parts = shown(talk, *keywords, colours=True).split("\x1b[1;30;103m")[1:]
    return [part.split("\x1b")[0] for part in parts]


def test_speaker_text_and_time_are_in_order() -> None:
    talk = transcript(
        said("hello", start=65 * SECOND, channel=1), said("good", "day", start=SECOND)
    )

    assert shown(talk) == "c1: 10 s, hangup\n00:01    agent good day\n01:05 customer hello\n"


def test_a_call_that_goes_on_says_so() -> None:
    talk = transcript()

    assert shown(replace(talk, call=replace(talk.call, ended_reason=""))) == "c1: 10 s, going on\n"


def test_a_segment_without_words_says_why() -> None:
    failed = StoredSegment(SegmentId(0, 0), Span(0, 8), Ending.FAILED, reason="the engine gave up")

    assert "agent (failed: the engine gave up)" in shown(transcript(failed))


@pytest.mark.parametrize(
    ("text", "keyword", "wanted"),
    [
        ("this is Acme speaking", "Acme", ["Acme"]),
        ("ACME, acme", "Acme", ["ACME", "acme"]),
        ("Acmeology", "Acme", []),
        ("ask Priya Raman about it", "Priya Raman", ["Priya Raman"]),
        ("we use C++ here", "C++", ["C++"]),
        ("anything", ".*", []),
    ],
)
def test_keywords_are_marked_where_they_stand_whole(
    text: str, keyword: str, wanted: list[str]
) -> None:
    assert marked(transcript(said(*text.split())), keyword) == wanted


def test_keywords_of_the_call_itself_are_marked_too() -> None:
    found = replace(said("Acme", "and", "Orvanta"), keywords_found=("Acme",))
    asked = KeywordsApplied(0, ("Orvanta",), ())

    talk = replace(transcript(found), keyword_lists=(asked,))

    assert marked(talk) == ["Acme", "Orvanta"]


def test_roles_differ_in_colour() -> None:
    lines = shown(transcript(said("a"), said("b", channel=1)), colours=True).splitlines()

    assert "\x1b[1;36m" in lines[1]
    assert "\x1b[1;32m" in lines[2]


def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    assert "[bold]x[/bold]" in shown(transcript(said("[bold]x[/bold]")))
