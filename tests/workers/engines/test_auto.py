"""Which engine `auto` selects, and the reason."""

import pytest

from workers.engines.auto import Choice, choose
from workers.engines.granite import GraniteSettings

PINNED = GraniteSettings(revision="0" * 40)


@pytest.mark.parametrize(
    ("gpu", "extra", "granite", "engine", "reason"),
    [
        (False, True, PINNED, "moonshine", "this machine has no NVIDIA GPU"),
        (True, False, PINNED, "moonshine", "pip install 'trunkline[granite]'"),
        (True, True, GraniteSettings(), "moonshine", "needs a pinned revision"),
        (True, True, PINNED, "granite", "an NVIDIA GPU"),
    ],
)
def test_auto(gpu: bool, extra: bool, granite: GraniteSettings, engine: str, reason: str) -> None:
    choice = choose(
        "auto",
        lambda: granite,
        has_module=lambda _: extra,
        has_program=lambda _: gpu,
    )

    assert choice.engine == engine
    assert reason in choice.reason


def test_what_is_asked_for_is_taken_without_question() -> None:
    choice = choose("whisper", has_module=lambda _: False, has_program=lambda _: False)

    assert choice == Choice("whisper", "asked for")
