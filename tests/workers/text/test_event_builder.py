"""Events of the call log from the output of an engine."""

import pytest

from protocol.events import SegmentId, Timing
from protocol.scheduling.jobs import Job
from workers.engines.base import Hypothesis, RecognisedWord
from workers.text.event_builder import final_of, stable_in


@pytest.mark.parametrize(
    ("flags", "stable"),
    [
        ((), 0),
        (("stable:0",), 0),
        (("loop_cut", "stable:12"), 12),
        (("stable:", "stable:-3", "stable:x", "unstable:4"), 0),  # no count is no promise
    ],
)
def test_an_engine_may_vouch_for_words(flags: tuple[str, ...], stable: int) -> None:
    assert stable_in(Hypothesis(flags=flags)) == stable


@pytest.mark.parametrize(
    ("text", "keywords", "near"),
    [
        ("Yes, a Quilen headset", "Quillon", "Quillon"),
        ("Yes, a Quillon headset", "Quillon", ""),
        ("Hi, Marin, it's Tobias Eckwall", "Maren|Tobias Ekwall", "Maren|Tobias Ekwall"),
        ("He took the book of types", "Dock|Tobias Ekwall", ""),  # alike by sound alone
        ("That may more or less be it", "Maren|Bemore", ""),  # ordinary words
        ("Yes, a headset", "", ""),
    ],
)
def test_a_final_names_the_keywords_that_it_only_sounds_like(
    text: str, keywords: str, near: str
) -> None:
    terms = tuple(filter(None, keywords.split("|")))
    job = Job("call", "log", SegmentId(0, 0), 0, 0.0, "en", keywords=terms, end=8_000)

    heard = Hypothesis(tuple(map(RecognisedWord, text.split())))

    final = final_of(job, heard, "engine", Timing(0, 0))

    assert final.flags == tuple(f"keyword_near:{term}" for term in filter(None, near.split("|")))


@pytest.mark.parametrize(
    ("text", "found", "flags"),
    [
        ("der Vertrag Quillons", ("Quillon",), ()),
        ("der Quillenvertrag", (), ("keyword_near:Quillon",)),
        ("die Quillens", (), ("keyword_near:Quillon",)),
        ("der Vertrag", (), ()),
    ],
)
def test_inflected_keywords_are_hits_and_near_misses(
    text: str, found: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    job = Job("call", "log", SegmentId(0, 0), 0, 0.0, "de", keywords=("Quillon",), end=8_000)

    final = final_of(job, Hypothesis(tuple(map(RecognisedWord, text.split()))), "e", Timing(0, 0))

    assert (final.keywords_found, final.flags) == (found, flags)
