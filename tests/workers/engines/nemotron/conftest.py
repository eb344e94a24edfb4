"""The made checkpoints, built once for all tests of the engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.long_runs import leave_to_long_runs
from support.once import once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave this optional engine to long runs, but for what needs no model: to teach one takes seven seconds."""
    leave_to_long_runs(items, Path(__file__).parent, "checkpoints")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints `taught` and `babbling`."""
    pytest.importorskip("torch").set_num_threads(1)
    from support import tiny_nemotron

    return once(tmp_path_factory, "tiny-nemotron", tiny_nemotron.build)


@pytest.fixture(scope="session")
def loaded(checkpoints: Path) -> Callable[..., Any]:
    """The function that loads an engine: `loaded("taught", chunk_ms=320)`."""
    from workers.engines.nemotron.loading import load
    from workers.engines.nemotron.settings import NemotronSettings

    def load_named(name: str, **settings: Any) -> Any:
        return load(NemotronSettings(model=str(checkpoints / name), **settings))

    return load_named
