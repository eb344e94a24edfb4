"""The tiny checkpoint, built once for all tests of the engine."""

from pathlib import Path
from typing import Any

import pytest
from support.once import once


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny checkpoint."""
    import torch
    from support import tiny_granite

    torch.set_num_threads(1)
    return once(tmp_path_factory, "tiny-granite", tiny_granite.build)


@pytest.fixture(scope="session")
def vendor(tiny: Path) -> Any:
    """transformers' own processor and model of the tiny checkpoint."""
    from support import tiny_granite

    return tiny_granite.reference(tiny)


@pytest.fixture(scope="session")
def parts(tiny: Path) -> Any:
    """The pieces of the engine on the tiny checkpoint."""
    import torch

    from workers.engines.granite.checkpoint import inspect
    from workers.engines.granite.loading import take_apart, weights
    from workers.engines.granite.text.tokenizer import Tokens

    checkpoint = inspect(tiny)
    model = weights(checkpoint, torch.device("cpu"))
    return take_apart(model, Tokens.read(checkpoint.tokenizer))
