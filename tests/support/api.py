"""The HTTP API on a free port, over a store and a Valkey of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from redis.asyncio import Redis
from support.http_client import http_client

from transcripts.api.server import Api
from transcripts.api.settings import ApiSettings
from transcripts.store import Store


@dataclass(frozen=True, slots=True)
class RunningApi:
    """The API, its URL, and a client without a key."""

    api: Api
    url: str
    client: httpx.AsyncClient


@asynccontextmanager
async def running_api(
    redis: Redis, store: Store, settings: ApiSettings | None = None, *, port: int = 0
) -> AsyncIterator[RunningApi]:
    """Serve while the context lasts, on a free port or on `port`."""
    free = (settings or ApiSettings()).model_copy(update={"port": port})
    api = Api(redis, 1, store, free)
    async with api.serving() as port:
        url = f"http://127.0.0.1:{port}"
        async with http_client(base_url=url) as client:
            yield RunningApi(api, url, client)


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"authorization": f"Bearer {key}"}
