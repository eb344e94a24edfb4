"""Runs tests on both audio paths."""

from collections.abc import Iterator

import pytest
from support.silero import new_silero

from streaming.audio import compiled
from streaming.audio.voice_activity.silero import Silero

_PURE = () if compiled.installed() is None else pytest.mark.long
"""Where the compiled path is built, each run compares the pure one with it by examples, and long runs test it alone."""


@pytest.fixture(scope="module", params=[pytest.param("pure", marks=_PURE), "compiled"])
def audio_path(request: pytest.FixtureRequest) -> Iterator[None]:
    """Objects that the tests of a module make are pure, and in a second run compiled, if that is built."""
    wanted = request.param == "compiled"
    if wanted and compiled.installed() is None:
        pytest.skip("trunkline-native is not built: make native")
    with compiled.using(wanted=wanted):
        yield


@pytest.fixture(scope="module")
def silero() -> Silero:
    """The model of voice activity, of the audio path that the module uses."""
    return new_silero()
