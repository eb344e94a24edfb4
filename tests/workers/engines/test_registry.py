import subprocess
import sys

import pytest

from workers.engines.base import EngineError
from workers.engines.registry import DEFAULT, ENGINES, Entry, load, loader


def test_the_default_is_an_engine() -> None:
    assert DEFAULT in ENGINES


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(
        EngineError, match=r"there is no engine 'mumble': choose one of .*moonshine"
    ):
        load("mumble")


def test_an_engine_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(EngineError, match=r"pip install 'trunkline\[mumble\]'"):
        loader("mumble", Entry("mumble", needs="trunkline[mumble]"))


@pytest.mark.parametrize("heavy", ["onnxruntime", "onnx", "torch", "faster_whisper"])
def test_knowing_the_engines_loads_none(heavy: str) -> None:
    asked = f"import sys, workers.engines.registry; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
