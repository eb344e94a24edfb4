"""
The promises of all engines, asked of Granite.

The tests are those of test_engine_contract; the contender is the tiny checkpoint.  One of them needs what only
trained weights know, that a keyword is found more often when it is given; that it changes the text at all, and is
dropped when nobody said it, is shown in test_granite_engine.
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
