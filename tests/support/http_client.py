"""An HTTP client for tests. httpx reads all root certificates for each of its clients, which takes 40 ms."""

import functools
import ssl
from typing import Any

import httpx

from .waiting import PATIENCE


def http_client(**options: Any) -> httpx.AsyncClient:
    """`httpx.AsyncClient`, patient, with the certificates of all others."""
    return httpx.AsyncClient(**{"timeout": PATIENCE, "verify": _certificates(), **options})


@functools.cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()
