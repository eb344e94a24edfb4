"""Number words, in seven languages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from protocol.numbers.atoms import atoms
from protocol.numbers.languages import LEXICONS, lexicon_of
from protocol.numbers.runs import runs
from protocol.numbers.tokens import tokenise


def read(text: str, language: str) -> list[str]:
    return [atom.digits for atom in atoms(tokenise(text.split()), language, weak=True)]


@pytest.mark.parametrize(
    ("language", "said", "digits"),
    [
        ("en", "four thousand two hundred and forty two", ["4242"]),
        ("en", "nineteen ninety-nine", ["19", "99"]),
        ("en", "double four, oh seven", ["44", "0", "7"]),
        ("en", "triple one treble zero", ["111", "000"]),
        ("en", "forty, two", ["40", "2"]),
        ("en", "three for two", ["3", "4", "2"]),
        ("en", "for all", []),
        ("en", "4111-1111 0 9", ["4111", "1111", "0", "9"]),
        ("de", "zweiundvierzig viertausendzweihundertzweiundvierzig", ["42", "4242"]),
        ("de", "dreimal die Null, dreißig", ["000", "30"]),
        ("de", "einundzwanzig", ["21"]),
        ("fr", "quatre-vingt-dix-sept", ["97"]),
        ("fr", "soixante et onze, soixante douze", ["71", "72"]),
        ("fr", "quatre mille deux cent quarante-deux", ["4242"]),
        ("fr", "trois fois zéro, nonante-neuf", ["000", "99"]),
        ("es", "cuarenta y dos", ["42"]),
        ("es", "cuarenta dos", ["40", "2"]),
        ("es", "veintitrés, cuatro mil doscientos", ["23", "4200"]),
        ("it", "quarantadue, ventotto, quattromiladuecentoquarantadue", ["42", "28", "4242"]),
        ("pt", "quatro mil duzentos e quarenta e dois", ["4242"]),
        ("pt", "meia meia, dois e três", ["6", "6", "2", "3"]),
        ("nl", "tweeënveertig, honderdvijf, dubbel vier", ["42", "105", "44"]),
        ("ja", "4242", ["4242"]),
        ("ja", "٤٢", ["42"]),
    ],
)  # fmt: skip
def test_numbers_are_read(language: str, said: str, digits: list[str]) -> None:
    assert read(said, language) == digits


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("four two four nine no two", "4242"),
        ("four nine four two no two not nine", "4242"),
        ("one two uh three", "123"),
        ("one nine no sorry start again one two three", "123"),
        ("forty two forty two", "4242"),
    ],
)
def test_a_correction_is_among_the_readings(said: str, meant: str) -> None:
    (run,), _ = runs(said.split(), "en")

    assert meant in run.readings()


def test_other_words_end_a_run() -> None:
    found, _ = runs(["order", "12", "34", "for", "my", "house", "56"], "en")

    assert [run.digits for run in found] == ["1234", "56"]


@settings(max_examples=examples(60), deadline=None)
@given(
    st.sampled_from(sorted(LEXICONS)).flatmap(
        lambda language: st.tuples(
            st.just(language),
            st.lists(
                st.sampled_from(
                    [
                        *lexicon_of(language).morphemes,
                        *lexicon_of(language).fillers,
                        "and",
                        "-",
                        "€",
                    ]
                ),
                max_size=40,
            ),
        )
    )
)
def test_any_words_are_read_in_order_and_within_their_places(
    case: tuple[str, list[str]],
) -> None:
    language, words = case
    found, tokens = runs(words, language)

    places = [place for run in found for atom in run.atoms for place in (atom.first, atom.last)]
    assert places == sorted(places)
    assert all(0 <= place < len(tokens) for place in places)
    assert all(run.readings() for run in found)
