"""A part of the published test set (bench/redaction_set): recall of card data, and numbers masked by mistake."""

import pytest

from bench.redaction import is_found, ours
from bench.redaction_set.cases import all_cases
from bench.redaction_set.spell import LANGUAGES, spell
from protocol.numbers.runs import runs

SAMPLE = list(all_cases(seed=7, each=42, misses=308))


@pytest.mark.parametrize("kind", ["card", "code"])
def test_all_card_numbers_and_codes_of_the_sample_are_masked(kind: str) -> None:
    missed = [case for case in SAMPLE if case.kind == kind and not is_found(case, ours(case))]

    assert missed == []


def test_nearly_all_card_numbers_with_an_error_of_a_recogniser_are_masked() -> None:
    misheard = [case for case in SAMPLE if case.kind == "card_misheard"]
    missed = [case for case in misheard if not is_found(case, ours(case))]

    assert len(missed) <= 0.02 * len(misheard)


def test_at_most_two_percent_of_other_numbers_are_masked() -> None:
    others = [case for case in SAMPLE if not case.kind.startswith(("card", "code"))]
    masked = [case for case in others if any(ours(case))]

    assert len(masked) <= 0.02 * len(others)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_spelled_number_is_read_as_itself(language: str) -> None:
    for number in range(0, 10_000, 7):
        (run,), _ = runs(spell(number, language).split(), language)
        assert run.digits == str(number), spell(number, language)
