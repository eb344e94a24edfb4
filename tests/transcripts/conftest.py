"""A store of the test's own: SQLite, or the database that TRUNKLINE_TEST_STORE names, emptied first."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from transcripts.store import Store


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """An address where nothing is yet."""
    shared = os.environ.get("TRUNKLINE_TEST_STORE")
    if shared is None:
        return f"sqlite:///{tmp_path / 'store.db'}"
    engine = create_engine(shared)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return shared


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for something that nobody tells us of."""

    async def wait(done: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(done):
                pass

    return wait
