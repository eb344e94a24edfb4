"""Formatting of numbers, amounts, times, dates and addresses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.events import Final, Redaction, SegmentId, Span, Timing, Word
from protocol.formatting.formatter import format_words, formatted
from protocol.numbers.languages import LEXICONS, lexicon_of


def shown(said: str, language: str) -> str:
    return " ".join(item.text for item in format_words([Word(w) for w in said.split()], language))


@pytest.mark.parametrize(
    ("language", "said", "left"),
    [
        ("en", "I have two cards and twenty five dogs", "I have two cards and 25 dogs"),
        ("en", "it is four five six", "it is 456"),
        ("en", "order double four triple one 1 2 3 4", "order 441111234"),
        ("en", "it was nineteen ninety nine, one two three.", "it was 1999, 123."),
        ("en", "call four one five five five five oh one two three please", "call (415) 555-0123 please"),
        ("en", "two hundred and five people", "205 people"),
        ("en", "it costs twenty five dollars, and fifty percent off", "it costs $25, and 50% off"),
        ("en", "at three thirty pm", "at 3:30 pm"),
        ("en", "on march twelve nineteen eighty four", "on march 12 1984"),
        ("en", "the twenty first of may", "the 21st of may"),
        ("en", "three point five and three point one four", "3.5 and 3.14"),
        ("en", "mail jane dot doe at example dot com.", "mail jane.doe@example.com."),
        ("en", "see www dot example dot org or info at example dot com", "see www.example.org or info@example.com"),
        ("en", "we met at the shop", "we met at the shop"),
        ("de", "das kostet fünfundzwanzig Euro und zehn Prozent", "das kostet 25 € und 10 %"),
        ("de", "um fünfzehn Uhr dreißig", "um 15:30"),
        ("de", "null eins sieben eins eins zwei drei vier fünf sechs sieben", "0171 1234567"),
        ("de", "drei Komma fünf, am zwölf März", "3,5, am 12 März"),
        ("de", "ich habe eine Frage und zwei Hunde", "ich habe eine Frage und zwei Hunde"),
        ("de", "max punkt mustermann at beispiel punkt de", "max.mustermann@beispiel.de"),
        ("fr", "ça fait vingt-cinq euros", "ça fait 25 €"),
        ("fr", "à quinze heures trente, dix pour cent", "à 15 h 30, 10 %"),
        ("fr", "zéro six douze trente-quatre cinquante-six soixante-dix-huit", "06 12 34 56 78"),
        ("fr", "info arobase exemple point fr", "info@exemple.fr"),
        ("es", "veinticinco euros el doce de marzo", "25 € el 12 de marzo"),
        ("es", "seis uno dos tres cuatro cinco seis siete ocho", "612 34 56 78"),
        ("es", "el treinta y cinco por ciento", "el 35%"),
        ("es", "cero por ciento diez", "0% 10"),
        ("fr", "cinq pour, cent dix", "5 % 10"),
        ("it", "venticinque euro e tre virgola cinque", "25 € e 3,5"),
        ("it", "tre quattro sette uno due tre quattro cinque sei sette", "347 123 4567"),
        ("pt", "vinte e cinco euros e dez por cento", "25 € e 10%"),
        ("pt", "nove um dois três quatro cinco seis sete oito", "912 345 678"),
        ("nl", "vijfentwintig euro om vijftien uur dertig", "25 € om 15:30"),
        ("nl", "nul zes een twee drie vier vijf zes zeven acht", "06 12345678"),
        ("ja", "4 2 と 12", "42 と 12"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(language: str, said: str, left: str) -> None:
    assert shown(said, language) == left


WORDS = st.sampled_from(sorted(LEXICONS)).flatmap(
    lambda language: st.tuples(
        st.just(language),
        st.lists(
            st.sampled_from(
                [*lexicon_of(language).morphemes, "the", "march", "euros", "percent", "at", "dot", "com", "pm", "point",
                 "7", "12", "uhr", "heures", "per", "por", "pour", "pour,", "komma", "first", "cents", "okay,", "ja."]
            ),
            max_size=25,
        ),
    )
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(WORDS)
def test_formatting_twice_changes_nothing_and_every_word_has_its_place(
    case: tuple[str, list[str]],
) -> None:
    language, said = case
    words = [Word(text, 100 * at, 100 * at + 80) for at, text in enumerate(said)]
    items = format_words(words, language)

    places = [place for item in items for place in range(item.first, item.last + 1)]
    assert places == list(range(len(said)))  # what was said can be recovered, in order
    once = " ".join(item.text for item in items)
    assert shown(once, language) == once


def test_a_final_keeps_times_words_as_said_and_the_places_of_redactions() -> None:
    words = (
        Word("twenty", 0, 80, 0.9),
        Word("five", 80, 160, 0.8),
        Word("[CARD_NUMBER]", 200, 400),
    )
    final = Final(
        SegmentId(0, 0), Span(0, 400), words, "en", 0, (), "engine", Timing(0, 0),
        redactions=(Redaction("card_number", 2, 200, 400),),
    )  # fmt: skip

    once = formatted(final)

    assert once.words == (Word("25", 0, 160, 0.8), Word("[CARD_NUMBER]", 200, 400))
    assert once.lexical == words
    assert [one.place for one in once.redactions] == [1]
