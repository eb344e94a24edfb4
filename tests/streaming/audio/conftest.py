"""Runs tests on both audio paths."""

from collections.abc import Iterator

import pytest

from streaming.audio import compiled


@pytest.fixture(scope="module", params=["pure", "compiled"])
def audio_path(request: pytest.FixtureRequest) -> Iterator[None]:
    """Objects that the tests of a module make are pure, and in a second run compiled, if that is built."""
    wanted = request.param == "compiled"
    if wanted and compiled.installed() is None:
        pytest.skip("trunkline-native is not built: make native")
    with compiled.using(wanted=wanted):
        yield
