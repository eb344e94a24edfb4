"""The contract tests of engines, for Nemotron with the made checkpoint that knows a few sounds."""

from collections.abc import Callable

import pytest

tiny_nemotron = pytest.importorskip("support.tiny_nemotron")

from support.engine_contract import Contender, EngineContract  # noqa: E402

from workers.engines.nemotron.engine import Nemotron  # noqa: E402


@pytest.fixture(scope="module")
def contender(loaded: Callable[..., Nemotron]) -> Contender:
    return Contender(loaded("taught"), tiny_nemotron.babble(9.0, 1), "none", 0.0)


class TestNemotron(EngineContract):
    """All tests of the contract; the engine declares that it takes no keywords."""
