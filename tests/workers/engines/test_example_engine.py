"""The example of docs/contributing/engine.md is a working engine."""

from pathlib import Path

import pytest
from support.engine_contract import Contender, EngineContract
from support.snippets import module_of

from workers.engines.base import Samples
from workers.engines.declaration import Declaration

PAGE = "docs/contributing/engine.md"


@pytest.fixture
def contender(tmp_path: Path, beckett: Samples) -> Contender:
    module = module_of(PAGE, "workers/engines/toy/engine.py", tmp_path)
    return Contender(module.load(), beckett, "ba", 0.0)


class TestExampleEngine(EngineContract):
    """The example takes no keywords, which skips the tests of these."""


def test_the_declaration_of_the_example_names_its_module(tmp_path: Path) -> None:
    declared = module_of(PAGE, "workers/engines/toy/declaration.py", tmp_path).TOY

    assert declared == Declaration("toy.engine", declared.check)
