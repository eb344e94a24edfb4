"""Which keywords were recognised in a text, and how they are written there."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.base import RecognisedWord
from workers.text.keyword_match import keywords_in, written_as_listed


def heard(text: str, leaned: str = "") -> tuple[RecognisedWord, ...]:
    """The words of a text; `leaned`: words that the search favoured."""
    return tuple(RecognisedWord(word, leaned=word in leaned.split()) for word in text.split())


@pytest.mark.parametrize(
    ("text", "keywords", "found", "written"),
    [
        ("I bought a zelvo dock.", "Zelvo Dock", "Zelvo Dock", "I bought a Zelvo Dock."),
        ("I bought a zelvo. Dock it", "Zelvo Dock", "Zelvo Dock", "I bought a Zelvo. Dock it"),
        ("the docks", "dock", "", "the docks"),
        ("Priya's desk", "Priyas", "Priyas", "Priyas desk"),
        ("ACME, please", "Acme|Orvanta", "Acme", "Acme, please"),
        ("", "Acme", "", ""),
        (
            "Only (quillons hill). Yes",
            "Quillons Hill",
            "Quillons Hill",
            "Only (Quillons Hill). Yes",
        ),
        ("Call acme Acme's", "ACME", "", "Call acme Acme's"),
        ("call acme now", "Acme", "Acme", "call Acme now"),  # a recogniser without capitals
        ("Acme called", "ACME", "ACME", "ACME called"),
        ("Zelvo", "Zelvo Dock", "", "Zelvo"),
        ("ask mr. ekwall, please", "Tobias Ekwall", "", "ask mr. Ekwall, please"),
        ("Thank you. Ekwall speaking", "Tobias EKWALL", "", "Thank you. EKWALL speaking"),
        ("We moved the dock", "Zelvo Dock", "", "We moved the dock"),
        ("Ann Marsh and the marsh", "Ann Marsh", "Ann Marsh", "Ann Marsh and the marsh"),
        ("Ask Dr. O'Neil.", "Dr. O'Neil", "Dr. O'Neil", "Ask Dr. O'Neil."),
        ("Ask Dr O\u2019Neil, please", "Dr. O'Neil", "Dr. O'Neil", "Ask Dr. O'Neil, please"),
        ("Is it Dr.?", "Dr.", "Dr.", "Is it Dr.?"),
        ("Learn C++ and C, not C.", "C++", "C++", "Learn C++ and C, not C."),
        ("C++. C++", "C++", "C++", "C++. C++"),
        ("A good grade, an A+ or a A", "A+", "A+", "A good grade, an A+ or a A"),
        ("A house is a house", "A+|(A)|a)|A.", "", "A house is a house"),
        ("I use C# with F.", "C#|F#", "C#", "I use C# with F."),
        ("Use dot NET and the net", ".NET", ".NET", "Use dot .NET and the net"),
        ("I like yahoo! Yahoo, yes", "Yahoo!", "Yahoo!", "I like yahoo! Yahoo!, yes"),
        (
            "call johnson and johnson",
            "Johnson & Johnson",
            "Johnson & Johnson",
            "call Johnson & Johnson",
        ),
        ("The AT&T line", "AT&T", "AT&T", "The AT&T line"),
        ("The t mobile line", "T-Mobile", "T-Mobile", "The t mobile line"),
        ("It is 3.5 or 50% or 3", "5|50|3.5", "3.5", "It is 3.5 or 50% or 3"),
        ("My number is 3.", "3", "3", "My number is 3."),
        ("At 12:30, not 12", "12:30", "12:30", "At 12:30, not 12"),
        (
            "I will mark the bill you may get",
            "Will|Mark|Bill|May",
            "",
            "I will mark the bill you may get",
        ),
        (
            "i will mark the bill you may get",
            "Will|Mark|Bill|May",
            "",
            "i will mark the bill you may get",
        ),
        ("Will you? May I?", "Will|May", "", "Will you? May I?"),
        ("I asked Will in May.", "Will|May", "Will|May", "I asked Will in May."),
        ("WILL you ask for WILL", "Will", "Will", "Will you ask for Will"),
        ("We'll see. I'll go", "Well|Ill", "", "We'll see. I'll go"),
        ("The invoice. Invoice one", "invoice", "invoice", "The invoice. Invoice one"),
        (
            "\u092e\u0947\u0930\u093e \u0939\u093f\u0902\u0926\u0940",
            "\u0939\u0926|\u0939\u093f\u0902\u0926\u0940",
            "\u0939\u093f\u0902\u0926\u0940",
            "\u092e\u0947\u0930\u093e \u0939\u093f\u0902\u0926\u0940",
        ),
        (
            "\u6771\u4eac\u30bf\u30ef\u30fc\u3078\u884c\u304d\u307e\u3057\u305f",
            "\u6771\u4eac|\u884c|\u5927\u962a",
            "\u6771\u4eac",
            "\u6771\u4eac\u30bf\u30ef\u30fc\u3078\u884c\u304d\u307e\u3057\u305f",
        ),
        (
            "\u044f \u0438\u0437 \u043c\u043e\u0441\u043a\u0432\u044b",
            "\u041c\u043e\u0441\u043a\u0432\u044b",
            "\u041c\u043e\u0441\u043a\u0432\u044b",
            "\u044f \u0438\u0437 \u041c\u043e\u0441\u043a\u0432\u044b",
        ),
    ],
)
def test_a_keyword_is_taken_where_it_was_recognised_as_that_name(
    text: str, keywords: str, found: str, written: str
) -> None:
    terms = keywords.split("|")

    assert "|".join(keywords_in(heard(text), terms)) == found
    assert " ".join(written_as_listed(heard(text), terms)) == written


@pytest.mark.parametrize(
    ("text", "language", "keywords", "found", "written"),
    [
        ("bei Tobias ekwalls Vertrag", "de", "Tobias Ekwall", "Tobias Ekwall", "bei Tobias Ekwalls Vertrag"),
        ("Der QUILLON-Vertrag.", "de", "Quillon", "Quillon", "Der Quillon-Vertrag."),
        ("ein Quillonvertrag", "de", "Quillon", "Quillon", "ein Quillonvertrag"),
        ("Herr Goldschmidt", "de", "Schmidt", "", "Herr Goldschmidt"),
        ("in Bergen und Berger", "de", "Berg", "", "in Bergen und Berger"),
        ("Le dossier d'acme, non", "fr", "ACME", "", "Le dossier d'acme, non"),  # no capital: no name
        ("le dossier d'Acme, non", "fr", "ACME", "ACME", "le dossier d'ACME, non"),
        ("celui d'Anna Keller", "fr", "Anna Keller", "Anna Keller", "celui d'Anna Keller"),
        ("tengo dos Quillones.", "es", "Quillon", "Quillon", "tengo dos Quillones."),
        ("die Quillons", "de", "Quillon|Quillons", "Quillons", "die Quillons"),
        ("the Quillons", "en", "Quillon", "", "the Quillons"),
        ("", "de", "Quillon", "", ""),
    ],
)  # fmt: skip
def test_inflected_and_compound_forms_count_in_some_languages(
    text: str, language: str, keywords: str, found: str, written: str
) -> None:
    terms = keywords.split("|")

    assert "|".join(keywords_in(heard(text), terms, language)) == found
    assert " ".join(written_as_listed(heard(text), terms, language)) == written


def test_what_the_search_leaned_towards_is_the_name_in_whatever_case() -> None:
    words = heard("The quillon and the will", leaned="quillon")

    assert keywords_in(words, ["Quillon", "Will"]) == ("Quillon",)
    assert written_as_listed(words, ["Quillon", "Will"])[1] == "Quillon"


def test_the_longest_of_several_keywords_is_written() -> None:
    assert written_as_listed(heard("Call Acme corp."), ["ACME", "Acme Corp"])[1:] == [
        "Acme",
        "Corp.",
    ]


def taken(listed: list[str]) -> list[str]:
    """The terms that a call may list: some letter or digit in each, spaces once."""
    terms = (" ".join(unicodedata.normalize("NFC", term).split()) for term in listed)
    return [term for term in terms if any(sign.isalnum() for sign in term)]


NAME = st.text(
    st.sampled_from(
        "aAbCwWill17.'+#!&/()@:- \u00c9\u00df\u0130\u0416\u0436\u6771\u4eac\u0e01\u0e34\u0939\u093f\u05d0\u0623"
    ),
    min_size=1,
    max_size=6,
)
NAMES = st.lists(
    NAME | st.sampled_from(["Dr. O'Neil", "C++", "A+", "Will", "May", "a", "7", "Yahoo!"]),
    max_size=5,
)
ENDS = st.sampled_from(["", ".", ",", "?", "!", "...", ")."])
SAID = st.lists(
    st.tuples(NAME | st.sampled_from(["will", "C", "A", "Dr.", "O'Neil", "Yahoo"]), ENDS),
    max_size=8,
)


@given(SAID, NAMES)
def test_any_list_leaves_words_what_they_are(
    said: list[tuple[str, str]], listed: list[str]
) -> None:
    terms = taken(listed)
    words = tuple(RecognisedWord(word) for name, end in said for word in f"{name}{end}".split())

    once = written_as_listed(words, terms)
    again = written_as_listed(tuple(RecognisedWord(text) for text in once), terms)

    assert len(once) == len(words)
    assert again == once
    assert set(keywords_in(words, terms)) <= set(terms)
    if not keywords_in(words, terms):
        assert once == [word.text for word in words]


@given(SAID, NAMES)
def test_a_long_list_finds_what_each_of_its_terms_finds_alone(
    said: list[tuple[str, str]], listed: list[str]
) -> None:
    terms = taken(listed)
    words = tuple(RecognisedWord(word) for name, end in said for word in f"{name}{end}".split())

    alone = [term for term in terms if keywords_in(words, [term])]

    assert keywords_in(words, [*terms, *(f"Nobody {number}" for number in range(50))]) == (*alone,)


@given(NAME, ENDS)
def test_a_keyword_recognised_as_listed_is_not_changed(name: str, end: str) -> None:
    for term in taken([name]):
        words = heard(f"and then {term}{end}")
        text = " ".join(written_as_listed(words, [term]))

        assert text == f"and then {term}{end}"
