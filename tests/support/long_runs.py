"""Which tests are left to long runs."""

from collections.abc import Iterable
from pathlib import Path

import pytest


def leave_to_long_runs(items: Iterable[pytest.Item], folder: Path, fixture: str) -> None:
    """Mark the tests of `folder` that need `fixture`, themselves or by another fixture, as long."""
    for item in items:
        if folder in item.path.parents and fixture in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)
