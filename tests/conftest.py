"""Shared fixtures: a real Valkey, the real CPU engine, and the import path of tests/support."""

import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from redis import utils as redis_utils
from redis.asyncio import Redis

# Before numpy is imported. Several test processes share the cores: a second thread of OpenBLAS or OpenMP in each would
# spend its CPU time on waiting. `trunkline` sets the first itself.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent))

# Tests talk to servers on this machine. Clients that obey `http_proxy` would go through the developer's proxy.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"

from support.examples import examples
from support.valkey import ValkeyServer

from broker.connections.connection import connect
from protocol.settings import RedisSettings
from runtime.log_fields import refuse_others
from workers.engines.base import Engine

# its assertions show their values, as those of test files do
pytest.register_assert_rewrite("support.engine_contract")

# Times are never asserted in tests: a busy machine is no fault of the code.
# Tests make many objects and little garbage: with the default of 700, searching for it takes a tenth of their time.
gc.set_threshold(10_000, 20, 50)

settings.register_profile("trunkline", deadline=None, max_examples=examples(100))
settings.load_profile("trunkline")

# a log line with a field that is not permitted fails here; in production the field is removed
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        refuse_others,
        structlog.dev.ConsoleRenderer(colors=False),
    ]
)


# Each client of redis-py looks its version up in the files of its package, which takes longer than to connect.
redis_utils.get_lib_version = cache(redis_utils.get_lib_version)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that wait for many seconds begin before the others, so that no process waits alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def pytest_collection_finish() -> None:
    """What the collection has made lives to the end: garbage collections of the tests need not walk through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def module_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A real server for all tests of a file with the mark `shared_valkey`."""
    with ValkeyServer(tmp_path_factory.mktemp("valkey") / "valkey.sock") as server:
        yield server


@pytest.fixture
def valkey(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ValkeyServer]:
    """A real server without persistence: the test's own, or one for its file (mark `shared_valkey`)."""
    if request.node.get_closest_marker("shared_valkey"):
        yield request.getfixturevalue("module_valkey")
        return
    with ValkeyServer(tmp_path / "valkey.sock") as server:
        yield server


@pytest.fixture
async def redis(request: pytest.FixtureRequest, valkey: ValkeyServer) -> AsyncIterator[Redis]:
    """A client as production makes it; a shared server is emptied before each test."""
    client = connect(RedisSettings(url=valkey.url))
    if request.node.get_closest_marker("shared_valkey"):
        await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def moonshine() -> Engine:
    """The real CPU engine; the first time on a machine its weights are folded, which takes half a minute."""
    from workers.engines import registry

    return registry.load("moonshine")
