"""The contract tests of engines, for Granite with the tiny checkpoint."""

import pytest

pytest.importorskip("transformers")

from support import tiny_granite
from support.engine_contract import Contender, EngineContract

from workers.engines.granite.loading import assemble
from workers.engines.granite.model import LoadedModel
from workers.engines.granite.settings import GraniteSettings


@pytest.fixture(scope="module")
def contender(parts: LoadedModel) -> Contender:
    engine = assemble(parts, GraniteSettings(model="tiny", max_batch=4))
    return Contender(engine, tiny_granite.babble(9.0, 1), "Ann", 0.0)


class TestGranite(EngineContract):
    """
    Two tests of the contract need trained weights.

    test_granite_engine shows instead that a keyword changes the text, and is removed if it was not spoken.
    """

    @pytest.mark.skip(reason="random weights recognise no keyword")
    def test_keywords_are_found_more_often_when_they_are_given(self, contender: Contender) -> None:
        raise NotImplementedError

    @pytest.mark.skip(reason="random weights recognise no keyword")
    def test_a_keyword_far_down_a_long_list_has_its_effect_too(self, contender: Contender) -> None:
        raise NotImplementedError
