"""
A store of the test's own: SQLite, and for the modules in `_BOTH` PostgreSQL too.

TRUNKLINE_TEST_STORE names a database for all of them instead; it is emptied first.
"""

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from support.postgres import emptied, postgres, programs
from support.stores import with_tables
from support.waiting import until_in_thread

from transcripts.store import Store

_BOTH = (
    "test_analysis_store",
    "test_store",
    "test_call_list",
    "test_stored_metadata",
    "test_retention",
    "test_webhook_store",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of SQL on both databases."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if "database" in metafunc.fixturenames and name in _BOTH:
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of the session."""
    if programs() is None:
        pytest.skip("no PostgreSQL here, and no way to install it")
    with postgres() as url:
        yield url


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """The kind of the database."""
    kind: str = getattr(request, "param", "sqlite")
    return kind


@pytest.fixture
def store_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address where nothing is yet."""
    shared = os.environ.get("TRUNKLINE_TEST_STORE")
    if shared is None and database == "postgresql":
        shared = request.getfixturevalue("postgres_url")
    if shared is None:
        return f"sqlite:///{tmp_path / 'store.db'}"
    emptied(shared)
    return shared


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(with_tables(store_url))
    yield opened
    opened.close()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for a condition that has no notification."""

    async def wait(done: Callable[[], bool]) -> None:
        await until_in_thread(done)

    return wait
