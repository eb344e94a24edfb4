"""
The contract tests of engines, for Granite.

The tests are those of test_engine_contract, with the tiny checkpoint. One of them needs trained weights: that a
keyword is found more often when it is given. test_granite_engine shows instead that a keyword changes the text,
and is removed if it was not spoken.
"""

from typing import Any

import pytest

tiny_granite = pytest.importorskip("tests.support.tiny_granite")

from tests.workers.engines.test_engine_contract import Contender  # noqa: E402
from workers.engines.granite.loading import assemble  # noqa: E402 - needs the optional extra
from workers.engines.granite.settings import GraniteSettings  # noqa: E402


@pytest.fixture(scope="module")
def contender(parts: Any) -> Contender:
    engine = assemble(parts, GraniteSettings(model="tiny", max_batch=4))
    return Contender(engine, tiny_granite.babble(9.0, 1), "Ann", 0.0)
