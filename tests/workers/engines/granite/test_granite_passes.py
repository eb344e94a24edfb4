"""Partials do not hold up tokens: their encoder passes run beside the decode steps."""

from collections.abc import Sequence
from typing import Any

import pytest

from workers.engines.base import Effort, Utterance

tiny_granite = pytest.importorskip("support.tiny_granite")

from workers.engines.granite.engine import GraniteEngine  # noqa: E402 - needs the optional extra
from workers.engines.granite.interfaces import EngineOptions  # noqa: E402
from workers.engines.granite.loading import capabilities  # noqa: E402
from workers.engines.granite.settings import GraniteSettings  # noqa: E402
from workers.engines.granite.text.prompts import GRANITE_4_0  # noqa: E402


class Held:
    """A pass of the encoder that ends when the frontend is released, or when somebody waits for it."""

    def __init__(self, frontend: "Beside", real: Any) -> None:
        self._frontend, self._real = frontend, real
        self.released = False

    @property
    def ready(self) -> bool:
        return self.released

    def read(self) -> Any:
        self._frontend.waited += not self.ready
        return self._real.read()


class Beside:
    """A frontend on a device that takes its time for partials: passes that `begin` queues are not ready at once."""

    def __init__(self, frontend: Any) -> None:
        self._frontend = frontend
        self.passes: list[Held] = []
        self.sizes: list[int] = []
        self.waited = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._frontend, name)

    def begin(self, features: Sequence[Any]) -> Held:
        self.passes.append(Held(self, self._frontend.begin(features)))
        self.sizes.append(len(features))
        return self.passes[-1]


@pytest.fixture
def beside(parts: Any) -> Beside:
    return Beside(parts.frontend)


@pytest.fixture
def engine(parts: Any, beside: Beside) -> GraniteEngine:
    decoder = parts.decoder_factory(4, 512, graphs=False).endless()
    rules = EngineOptions(GRANITE_4_0, 4, 30.0, 200, 0.0, lambda: 0, most=lambda _: 12)
    can = capabilities(GraniteSettings(model="tiny"), 4)
    return GraniteEngine(can, rules, beside, parts.prompts, decoder)


def partial(text: str, key: str) -> Utterance:
    return Utterance(tiny_granite.spoken(text, 2), Effort.PARTIAL, key=key)


def test_tokens_continue_while_a_partial_is_encoded(engine: GraniteEngine, beside: Beside) -> None:
    # given: a final that is being decoded
    (final,) = engine.admit([Utterance(tiny_granite.spoken("let go", 1))])
    engine.step()

    # when: a partial comes whose pass does not end
    engine.admit([partial("one garden", "beside-a")])
    found: list[tuple[int, Any]] = []
    while not found:
        found = engine.step()

    # then
    assert [ticket for ticket, _ in found] == [final]
    assert beside.waited == 0
    assert engine.pending == 1

    # and then: with nothing else to do, the engine waits for it
    ((_, heard),) = engine.step()
    assert heard.text == "one garden"
    assert beside.waited == 1
    assert engine.pending == 0


def test_partials_that_come_meanwhile_share_the_next_pass(
    engine: GraniteEngine, beside: Beside
) -> None:
    # given
    engine.admit([Utterance(tiny_granite.spoken("let go", 1))])
    engine.step()
    (first,) = engine.admit([partial("one garden", "beside-a")])
    engine.step()
    others = engine.admit([partial("one garden", "beside-b"), partial("let go", "beside-c")])
    engine.step()

    # when
    assert beside.sizes == [1]
    beside.passes[0].released = True
    found = engine.step()

    # then: the first one is done; the others follow together
    assert [ticket for ticket, _ in found] == [first]
    engine.step()
    assert beside.sizes == [1, 2]
    beside.passes[1].released = True
    assert {ticket for ticket, _ in engine.step()} >= set(others)
    assert beside.waited == 0
