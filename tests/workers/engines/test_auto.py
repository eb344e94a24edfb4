"""Which engine `auto` selects, and the reason."""

import pytest

from workers.engines.auto import Choice, Environment, choose
from workers.engines.granite import GraniteSettings
from workers.engines.settings import EngineSettings

PINNED = GraniteSettings(revision="0" * 40)


@pytest.mark.parametrize(
    ("gpu", "extra", "granite", "engine", "reason"),
    [
        (False, True, PINNED, "moonshine", "this machine has no NVIDIA GPU"),
        (True, False, PINNED, "moonshine", "pip install 'trunkline[granite]'"),
        (True, True, GraniteSettings(model="a/b"), "moonshine", "needs a pinned revision"),
        (True, True, GraniteSettings(), "granite", "an NVIDIA GPU"),
        (True, True, PINNED, "granite", "an NVIDIA GPU"),
    ],
)
def test_auto(gpu: bool, extra: bool, granite: GraniteSettings, engine: str, reason: str) -> None:
    installed = Environment(
        frozenset({"torch", "transformers"} if extra else ()),
        frozenset({"nvidia-smi"} if gpu else ()),
    )

    choice = choose("auto", lambda _: granite, installed)

    assert choice.engine == engine
    assert reason in choice.reason


def test_what_is_asked_for_is_taken_without_question() -> None:
    choice = choose("whisper", lambda _: EngineSettings(), Environment(frozenset(), frozenset()))

    assert choice == Choice("whisper", "asked for")
