"""
The contract of engines, tested with every engine that can be loaded here.

A new engine adds one contender.
"""

import pytest
from support.engine_contract import Contender, EngineContract

KEYWORDS = {
    "moonshine": ("ever tried", 0.013),  # `ever cry` without
    "whisper": ("failbetter", 0.0),      # `fail better` without
}  # fmt: skip
"""For each engine that can be loaded here: fixtures of these names give them."""


@pytest.fixture(params=KEYWORDS, scope="class")
def contender(request: pytest.FixtureRequest) -> Contender:
    engine, beckett = request.getfixturevalue(request.param), request.getfixturevalue("beckett")
    return Contender(engine, beckett, *KEYWORDS[request.param])


class TestLoadableEngines(EngineContract):
    """Moonshine; Whisper where its weights are at hand."""
