"""A store whose clock the test moves."""

from collections.abc import Iterator

import pytest
from support.webhooks import ClockedStore, clocked


@pytest.fixture
def clocked_store(store_url: str) -> Iterator[ClockedStore]:
    opened = clocked(store_url)
    yield opened
    opened.store.close()
