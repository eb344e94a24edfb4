"""Shared fixtures: a real Valkey, the real CPU engine, and the import path of tests/support."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from redis.asyncio import Redis

sys.path.insert(0, str(Path(__file__).parent))

# Tests talk to servers on this machine. Clients that obey `http_proxy` would go through the developer's proxy.
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"

from support.valkey import ValkeyServer

from broker.connections.connection import connect
from protocol.settings import RedisSettings
from runtime.log_fields import refuse_others
from workers.engines.base import Engine

# its assertions show their values, as those of test files do
pytest.register_assert_rewrite("support.engine_contract")

# Times are never asserted in tests: a busy machine is no fault of the code.
settings.register_profile("trunkline", deadline=None)
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


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A real server of the test's own, without persistence."""
    with ValkeyServer(tmp_path / "valkey.sock") as server:
        yield server


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    """A client as production makes it."""
    client = connect(RedisSettings(url=valkey.url))
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def moonshine() -> Engine:
    """The real CPU engine; the first time on a machine its weights are folded, which takes half a minute."""
    from workers.engines import registry

    return registry.load("moonshine")
