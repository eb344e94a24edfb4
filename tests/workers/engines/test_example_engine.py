"""The example of docs/contributing/engine.md is a working engine."""

from pathlib import Path

import pytest
import test_engine_contract as contract

from tests.support.snippets import module_of
from workers.engines.base import SHORTEST, Effort, Samples
from workers.engines.declaration import Declaration

PAGE = "docs/contributing/engine.md"


@pytest.fixture
def toy(tmp_path: Path, beckett: Samples) -> contract.Contender:
    module = module_of(PAGE, "workers/engines/toy/engine.py", tmp_path)
    return contract.Contender(module.load(), beckett, "ba", 0.0)


@pytest.mark.parametrize("sound", contract.NO_SPEECH)
def test_the_example_writes_no_words_without_speech(toy: contract.Contender, sound: str) -> None:
    contract.test_no_speech_gives_no_words(toy, sound, Effort.FINAL)


def test_the_example_passes_the_contract_tests_of_engines(toy: contract.Contender) -> None:
    contract.test_a_sound_shorter_than_any_word_is_withheld_and_flagged(
        toy, SHORTEST - 1, Effort.PARTIAL
    )
    contract.test_the_text_is_the_same_whatever_else_is_in_the_batch_and_in_its_order(toy)
    contract.test_an_empty_batch_is_answered_with_nothing(toy)
    contract.test_what_is_not_declared_is_refused(toy)
    contract.test_what_is_longer_than_declared_is_refused(toy)
    contract.test_one_that_is_refused_does_not_spoil_the_next(toy)


def test_the_declaration_of_the_example_names_its_module(tmp_path: Path) -> None:
    declared = module_of(PAGE, "workers/engines/toy/declaration.py", tmp_path).TOY

    assert declared == Declaration("toy.engine", declared.check)
