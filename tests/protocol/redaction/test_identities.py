"""Data that is more than a number: e-mail addresses, dates of birth, ids with letters, parts of IBANs."""

import pytest
from redacted_calls import shown

from protocol.events import SegmentId, Span
from protocol.redaction.call_state import CallState
from protocol.redaction.masking import hide
from protocol.redaction.policy import CARD_DATA_POLICY, DataKind, Policy
from protocol.redaction.redactor import RecognisedText

ALL = Policy(frozenset(DataKind) - {DataKind.NUMBER})


@pytest.mark.parametrize(
    ("language", "said", "left"),
    [
        ("en", "my email is john.smith@example.com. It is mine", "my email is [EMAIL]. It is mine"),
        ("en", "it is john dot smith at example dot com thanks", "it is [EMAIL] thanks"),
        ("en", "thanks. j o h n 4 2 at example dot co dot uk", "thanks. [EMAIL]"),
        ("de", "die Adresse ist klaus punkt meier at beispiel punkt de", "die Adresse ist [EMAIL]"),
        ("fr", "c'est jean tiret luc arobase exemple point fr voilà", "c'est [EMAIL] voilà"),
        ("es", "es maria guion bajo perez arroba ejemplo punto es", "es [EMAIL]"),
        ("it", "è mario punto rossi chiocciola esempio punto it", "è [EMAIL]"),
        ("pt", "é joao ponto silva arroba exemplo ponto pt", "é [EMAIL]"),
        ("nl", "jan punt jansen apenstaartje voorbeeld punt nl", "[EMAIL]"),
        ("en", "meet me at noon, the dot is red", "meet me at noon, the dot is red"),
        ("en", "I was born on the fourth of July 1982", "I was born on the [DATE_OF_BIRTH]"),
        ("de", "geboren am vierten siebten zweiundachtzig", "geboren am [DATE_OF_BIRTH]"),
        ("es", "nací el cuatro de julio de mil novecientos ochenta", "nací el [DATE_OF_BIRTH]"),
        ("en", "born 4 July 1982 and the order number is 4711", "born [DATE_OF_BIRTH] and the order number is 4711"),
        ("en", "my passport is K 1 2 3 4 5 6 7", "my passport is [NATIONAL_ID]"),
        ("en", "national insurance number QQ 12 34 56 C", "national insurance number [NATIONAL_ID]"),
        ("pt", "meu CPF é um dois três ponto quatro cinco seis ponto sete oito nove traço zero nove", "meu CPF [NATIONAL_ID]"),
        ("it", "il codice fiscale RSS MRA 80 A01 H501 U", "il codice fiscale [NATIONAL_ID]"),
    ],
)  # fmt: skip
def test_data_of_other_kinds_is_masked_as_a_whole(language: str, said: str, left: str) -> None:
    assert shown([(0, said)], language, ALL) == [left]
    assert shown([(0, said)], language, CARD_DATA_POLICY) == [said]


def test_a_date_of_birth_is_masked_after_the_question_for_it() -> None:
    lines = [(1, "your date of birth please"), (0, "the fourth of July, eighty two")]

    assert shown(lines, "en", ALL)[1] == "the [DATE_OF_BIRTH]"


def test_the_parts_of_an_iban_over_segments_are_masked() -> None:
    lines = [(0, "die IBAN ist DE89 3704"), (0, "0044 0532"), (0, "0130 00")]

    assert shown(lines, "de", ALL) == ["die IBAN ist [IBAN]", "[IBAN]", "[IBAN]"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("my address is john dot", "my address is"),
        ("my address is john dot smith", "my address is"),
        ("my address is john dot smith at", "my address is"),
        ("my address is john dot smith at example", "my address is"),
        ("my address is j o h n at e x", "my address is"),
        ("we meet at nine in the office", "we meet at nine in the office"),
    ],
)
def test_a_partial_shows_no_address_that_is_still_open(words: str, left: str) -> None:
    heard = RecognisedText(SegmentId(0, 0), Span(0, 8_000), tuple(words.split()), "en")

    assert " ".join(hide(CallState(), heard, Policy(frozenset({DataKind.EMAIL})))) == left


@pytest.mark.parametrize(
    ("language", "question", "answer"),
    [
        ("de", "und gültig bis", "neunter siebenundzwanzig"),
        ("en", "the expiry date please", "ninth of twenty seven"),
        ("es", "la fecha de caducidad", "septiembre del veintisiete"),
    ],
)
def test_an_expiry_date_keeps_no_ordinal(language: str, question: str, answer: str) -> None:
    assert shown([(1, question), (0, answer)], language)[1] == "[EXPIRY]"


@pytest.mark.parametrize(
    ("language", "question"),
    [("it", "e il codice dietro"), ("pt", "o código de trás"), ("nl", "de code achterop")],
)
def test_words_for_the_back_of_the_card_ask_for_the_code(language: str, question: str) -> None:
    policy = Policy(frozenset({DataKind.SECURITY_CODE}))

    assert shown([(1, question), (0, "721")], language, policy) == [question, "[SECURITY_CODE]"]


@pytest.mark.parametrize("said", ["GB29 NWBK 6016 1331 9268 19", "DE89370400440532013000"])
def test_an_iban_is_no_card_number(said: str) -> None:
    assert shown([(0, said)], "en", CARD_DATA_POLICY) == [said]
