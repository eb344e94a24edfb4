"""The made models, built once for all tests of the engine, and the engine on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.long_runs import leave_to_long_runs
from support.once import once

from workers.engines.base import Engine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave this optional engine to long runs, but for what needs no model."""
    leave_to_long_runs(items, Path(__file__).parent, "made")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with the made model of a shape; with `babbling-` before it, without a fitted end."""
    pytest.importorskip("torch").set_num_threads(1)
    from support import made_moonshine

    def folder(name: str) -> Path:
        shape = name.removeprefix("babbling-")
        return once(
            tmp_path_factory, f"made-moonshine-{name}",
            lambda empty: made_moonshine.build(empty, shape, fitted=name == shape),
        )  # fmt: skip

    return folder


@pytest.fixture(scope="session")
def fitted(made: Callable[[str], Path]) -> Path:
    """A folder with a made model that writes nothing where nobody speaks."""
    return made("equal")


@pytest.fixture(
    scope="session",
    params=["babbling-equal", "babbling-wider"],
)
def babbling(request: pytest.FixtureRequest, made: Callable[[str], Path]) -> Path:
    """A folder with a made model that writes much."""
    return made(request.param)


@pytest.fixture(scope="session")
def vendor(babbling: Path) -> Any:
    """transformers' own model of the babbling folder."""
    from support import made_moonshine

    return made_moonshine.reference(babbling)


@pytest.fixture
def engine(babbling: Path) -> Engine:
    """The engine on the babbling model, with nothing kept."""
    from workers.engines.moonshine_streaming.loading import load
    from workers.engines.moonshine_streaming.settings import MoonshineStreamingSettings

    return load(MoonshineStreamingSettings(model=str(babbling)))
