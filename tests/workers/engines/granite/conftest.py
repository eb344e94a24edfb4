"""The tiny checkpoint, built once for all tests of the engine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.long_runs import leave_to_long_runs
from support.once import once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the layout of the vendor's repository, which takes 14 s to make, to long runs."""
    leave_to_long_runs(items, Path(__file__).parent, "repository")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny checkpoint."""
    pytest.importorskip("torch").set_num_threads(1)
    from support import tiny_granite

    return once(tmp_path_factory, "tiny-granite", tiny_granite.build)


@pytest.fixture(scope="session")
def vendor(tiny: Path) -> Any:
    """transformers' own processor and model of the tiny checkpoint."""
    from support import tiny_granite

    return tiny_granite.reference(tiny)


@pytest.fixture(scope="session")
def parts(tiny: Path) -> Any:
    """The pieces of the engine on the tiny checkpoint."""
    return parts_of(tiny)


@pytest.fixture(scope="session")
def loaded() -> Callable[[Path], Any]:
    """The function that loads the pieces of the engine from a folder."""
    return parts_of


def parts_of(folder: Path) -> Any:
    """The pieces of the engine on a checkpoint."""
    import torch

    from workers.engines.granite.checkpoint import inspect
    from workers.engines.granite.loading import take_apart, weights
    from workers.engines.granite.text.tokenizer import Tokens

    checkpoint = inspect(folder)
    model = weights(checkpoint, torch.device("cpu"))
    return take_apart(model, Tokens.read(checkpoint.tokenizer))


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the vendor's repository, at small width."""
    pytest.importorskip("torch").set_num_threads(1)
    from support import granite_repository

    return once(tmp_path_factory, "granite-repository", granite_repository.build)


@pytest.fixture(scope="session")
def repository_vendor(repository: Path) -> Any:
    """transformers' own processor and model of the repository."""
    from support import tiny_granite

    return tiny_granite.reference(repository)


@pytest.fixture(scope="session")
def repository_parts(repository: Path) -> Any:
    """The pieces of the engine on the repository."""
    return parts_of(repository)


@pytest.fixture(scope="session")
def answers(
    repository: Path, repository_vendor: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A file with known answers for the repository, made by the reference implementation."""
    from support import granite_repository

    path = tmp_path_factory.mktemp("answers") / "answers.json"
    path.write_text(json.dumps(granite_repository.answers(repository_vendor)))
    return path
