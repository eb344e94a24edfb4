"""The contract tests of engines, for Moonshine's streaming models with a made one."""

from pathlib import Path

import pytest

made_moonshine = pytest.importorskip("support.made_moonshine")

from support.engine_contract import Contender, EngineContract  # noqa: E402

from workers.engines import registry  # noqa: E402
from workers.engines.base import StepwiseEngine  # noqa: E402
from workers.engines.moonshine_streaming.settings import MoonshineStreamingSettings  # noqa: E402


@pytest.fixture(scope="module")
def contender(fitted: Path) -> Contender:
    settings = MoonshineStreamingSettings(model=str(fitted))
    engine = registry.load("moonshine-streaming", **settings.options())
    assert isinstance(engine, StepwiseEngine)
    return Contender(engine, made_moonshine.speech(9.0, 301), "unused", 0.0)


class TestMoonshineStreaming(EngineContract):
    """It declares that it takes no keywords."""
