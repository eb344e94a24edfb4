"""Every operation of the OpenAPI document with generated requests: no fault, and the responses match."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.api import running_api
from support.call_records import CALL, recorded
from support.examples import examples
from support.valkey import ValkeyServer
from support.waiting import PATIENCE

from broker.connections.connection import connect
from protocol.settings import RedisSettings
from transcripts.store import Store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API with one call, in an event loop of its own thread: schemathesis blocks."""
    folder = tmp_path_factory.mktemp("api")
    ready: list[str] = []
    up, stop = threading.Event(), threading.Event()

    async def serve(valkey: ValkeyServer) -> None:
        redis = connect(RedisSettings(url=valkey.url))
        store = Store.open(f"sqlite:///{folder / 'store.db'}")
        store.record(recorded("c1", *CALL))
        async with running_api(redis, store) as running:
            ready.append(running.url)
            up.set()
            await asyncio.to_thread(stop.wait)
        await redis.aclose()
        store.close()

    with ValkeyServer(Path(folder) / "valkey.sock") as valkey:
        thread = threading.Thread(target=lambda: asyncio.run(serve(valkey)))
        thread.start()
        assert up.wait(PATIENCE)
        yield ready[0]
        stop.set()
        thread.join()


def test_no_request_makes_the_api_fail_and_every_response_is_as_described(api_url: str) -> None:
    schema = schemathesis.openapi.from_url(f"{api_url}/openapi.json")
    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)

    for operation in operations:

        @settings(
            max_examples=examples(12),
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def requested(case: Case[Any]) -> None:
            if len(str(case.path_parameters.get("call_id", ""))) % 2:
                case.path_parameters["call_id"] = "c1"
            case.call_and_validate(checks=CHECKS)

        requested()

    assert len(operations) >= 16
