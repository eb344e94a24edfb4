"""
The promises of all engines, asked of Granite.

The tests are those of test_engine_contract; the contender is the tiny checkpoint.  One of them needs what only
trained weights know, that a keyword is found more often when it is given; that it changes the text at all, and is
dropped when nobody said it, is shown in test_granite_engine.
"""

from typing import Any

import pytest

tiny_granite = pytest.importorskip("tests.support.tiny_granite")

from tests.workers.engines.test_engine_contract import (  # noqa: E402, F401 - collected from here with our contender
    Contender,
    test_an_empty_batch_is_answered_with_nothing,
    test_no_speech_gives_no_keywords,
    test_no_speech_gives_no_words,
    test_one_that_is_refused_does_not_spoil_the_next,
    test_the_text_is_the_same_whatever_else_is_in_the_batch_and_in_its_order,
    test_what_is_longer_than_declared_is_refused,
    test_what_is_not_declared_is_refused,
)
from workers.engines.granite.loading import assemble  # noqa: E402 - needs the optional extra
from workers.engines.granite.settings import GraniteSettings  # noqa: E402


@pytest.fixture(scope="module")
def contender(parts: Any) -> Contender:
    engine = assemble(parts, GraniteSettings(model="tiny", max_batch=4))
    return Contender(engine, tiny_granite.babble(9.0, 1), "Ann", 0.0)
