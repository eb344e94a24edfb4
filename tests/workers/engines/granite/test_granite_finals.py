"""From tokens to the words of a final."""

import math

import pytest

pytest.importorskip("torch")  # an optional extra

from workers.engines.granite.acoustic.ctc import Aligned
from workers.engines.granite.finals.finals import (
    ScoredWord,
    contain_all,
    ending_flags,
    hypothesis,
    in_words,
    list_flags,
    suspicion_flags,
    unsupported,
    without_loops,
)
from workers.engines.granite.text.stopping import StoppingRule
from workers.engines.granite.text.tokenizer import FittedKeywords

HEARD = [Aligned(0, 1, 0.9)] * 4
UNHEARD = [Aligned(0, 1, 1e-5)] * 4


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([b"hel", b"lo", b" you"], ["hello", "you"]),
        ([b" hello ", b"you"], ["hello", "you"]),
        ([b"a b", b"c d"], ["a", "bc", "d"]),
        ([b"Z\xc3", b"\xbcrich"], ["Zürich"]),
        ([b"\xe6\x9d\xb1", b"\xe4\xba\xac"], ["東京"]),
        ([b"one\ntwo"], ["one", "two"]),
        ([b"", b" ", b"\n"], []),
        ([b"\xff"], ["\ufffd"]),
    ],
)
def test_tokens_make_words(pieces: list[bytes], words: list[str]) -> None:
    found = in_words(pieces, [0.0] * len(pieces))

    assert [piece.text for piece in found] == words


def test_the_confidence_of_a_word_is_the_mean_of_its_tokens() -> None:
    found = in_words([b"hel", b"lo", b" you"], [math.log(0.9), math.log(0.4), math.log(0.5)])

    made = hypothesis(found, [], 10, [])

    assert [word.confidence for word in made.words] == [pytest.approx(0.6), pytest.approx(0.5)]
    assert [word.start for word in made.words] == [None, None]


@pytest.mark.parametrize(
    ("terms", "words", "placed", "suspects"),
    [
        (("Bildad",), ["no", "bildad,"], [HEARD, UNHEARD], ("Bildad",)),
        (("Bildad",), ["no", "Bildad"], [HEARD, HEARD], ()),
        (
            ("Peter Coffin",),
            ["peter", "coffin", "came"],
            [UNHEARD, UNHEARD, HEARD],
            ("Peter Coffin",),
        ),
        (("Peter Coffin",), ["peter", "coffin", "came"], [HEARD, UNHEARD, HEARD], ()),
        (("Peter Coffin",), ["peter", "came", "coffin"], [UNHEARD, UNHEARD, UNHEARD], ()),
        (("Bildad",), ["no", "one"], [UNHEARD, UNHEARD], ()),
        (("東京",), ["東京"], [[]], ()),
        (("Ann",), ["ann", "and", "ann"], [HEARD, HEARD, UNHEARD], ("Ann",)),
    ],
)
def test_a_keyword_without_support_in_the_audio_is_suspect(
    terms: tuple[str, ...], words: list[str], placed: list[list[Aligned]], suspects: tuple[str, ...]
) -> None:
    assert unsupported(terms, words, placed, 1 / 3) == suspects


def test_the_difference_between_both_texts_is_recorded() -> None:
    flags = suspicion_flags(("Bildad",), ["no", "Bildad", "more"], ["no", "more", "rain"])

    assert flags == [
        "keyword_suspect:Bildad",
        "without_keywords:Bildad -> ",
        "without_keywords: -> rain",
    ]


def test_dropped_keywords_are_counted_and_named() -> None:
    flags = list_flags(FittedKeywords(("a",), ("Ann", "Eve"), refused=3))

    assert flags == [
        "keywords_dropped:2",
        "keyword_dropped:Ann",
        "keyword_dropped:Eve",
        "keywords_refused:3",
    ]
    assert list_flags(FittedKeywords(("a",))) == []
    assert len(list_flags(FittedKeywords((), tuple(f"t{n}" for n in range(400))))) == 17


def test_cut_texts_say_so() -> None:
    assert [ending_flags(ending) for ending in StoppingRule] == [[], ["length_cut"], ["loop_cut"]]


def test_terms_are_found_whatever_their_case_and_signs() -> None:
    assert contain_all(["ask", "peter", "COFFIN."], ("Peter Coffin", "Ask"))
    assert not contain_all(["peter"], ("Peter Coffin",))


def test_words_keep_their_places() -> None:
    made = hypothesis(
        [ScoredWord("hi", 0.0)], [[Aligned(2, 3, 0.9), Aligned(5, 7, 0.8)]], 50_000, ["x"]
    )

    assert (made.words[0].start, made.words[0].end) == (640, 2_240)
    assert made.flags == ("x",)


@pytest.mark.parametrize(
    ("text", "ending", "left"),
    [
        ("4242 4242 4242 4242", StoppingRule.SAID, "4242 4242 4242 4242"),
        ("no " * 9 + "I did not", StoppingRule.SAID, "no " * 9 + "I did not"),
        (
            "well " + "yes " * 60 + "it is Jones",
            StoppingRule.SAID,
            "well yes it is Jones",
        ),  # no room for it
        ("and " + "bye " * 12, StoppingRule.LENGTH, "and bye"),
    ],
)
def test_only_loops_that_the_audio_does_not_bear_out_are_cut(
    text: str, ending: StoppingRule, left: str
) -> None:
    pieces = [ScoredWord(word, -0.1) for word in text.split()]

    kept, looped = without_loops(pieces, 4 * 16_000, ending)

    assert [piece.text for piece in kept] == left.split()
    assert looped == (text.split() != left.split())
