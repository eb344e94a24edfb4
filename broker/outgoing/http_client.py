"""
Sends a request to a server that a client has named.

No redirects, no proxy, and the address is checked when the connection is opened.  Of the answer, only the status is
used, and at most 16 KiB are read.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import httpcore

from protocol.outgoing.destinations import Address, DestinationError, Destinations

from ..time_limits import TimeLimit

_SECONDS = 10.0
"""Longest time of one request, from the resolution of the name to the status."""

_CONNECT_SECONDS = 4.0
"""Longest wait for one of several addresses."""

_LONGEST_ANSWER = 16_384
"""
Most bytes that are read of an answer.  A server may send any number of interim answers (1xx, RFC 9110 section 15.2)
before the status.
"""

_READ_BYTES = 2_048
"""Most bytes that are parsed at once: some 100 interim answers take a few milliseconds."""

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="outgoing")
"""For the resolution of names: a name server that does not answer holds up nothing else."""


class SendError(Exception):
    """The request was not answered.  The text says why, without address or content."""


class OutgoingHttp:
    """An HTTP client for addresses that `destinations` permits."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request on a connection of its own.  Returns the status of the answer.  Raises SendError."""
        try:
            self._destinations.check_url(url)
            async with TimeLimit(_SECONDS):
                return await self._post(url, headers, body)
        except DestinationError as exc:
            raise SendError(str(exc)) from exc
        except TimeoutError as exc:
            raise SendError(f"no answer within {_SECONDS:g} s") from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            raise SendError("the answer is not HTTP") from exc
        except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as exc:
            raise SendError(f"the connection failed: {type(exc).__name__}") from exc

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        if self._tls is None:  # reading the certificates of the system takes some time
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(_THREADS, ssl.create_default_context)
        secure = url.lower().startswith("https:")
        backend = _CheckedBackend(self._destinations, secure=secure)
        length = str(len(body))
        sent = [("user-agent", "Trunkline"), ("content-length", length), *headers.items()]
        async with (
            httpcore.AsyncConnectionPool(self._tls, network_backend=backend) as pool,
            pool.stream("POST", url, headers=sent, content=body) as answer,
        ):
            return answer.status


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to permitted addresses only."""

    def __init__(self, destinations: Destinations, *, secure: bool) -> None:
        self._destinations = destinations
        self._secure = secure
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve `host` and connect to the first permitted address that answers."""
        refused: Exception = DestinationError("this name has no address")
        for address in await _resolved(host, port):
            try:
                self._destinations.check_address(address, secure=self._secure)
                stream = await self._inner.connect_tcp(
                    str(address), port, _CONNECT_SECONDS, local_address, socket_options
                )
                return _BoundedStream(stream)
            except (DestinationError, httpcore.NetworkError, httpcore.TimeoutException) as exc:
                refused = exc
        raise refused


class _BoundedStream(httpcore.AsyncNetworkStream):
    """A connection from which at most `_LONGEST_ANSWER` bytes are read."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._left = _LONGEST_ANSWER

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Read some bytes.  Raises RemoteProtocolError when the answer is too long."""
        if not self._left:
            raise httpcore.RemoteProtocolError("the answer is too long")
        read = await self._inner.read(min(max_bytes, self._left, _READ_BYTES), timeout)
        self._left -= len(read)
        return read

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send all bytes."""
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the interface of httpcore
    ) -> httpcore.AsyncNetworkStream:
        """Return the connection with TLS.  The bytes of the handshake do not count."""
        return _BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # as httpcore has it
        """Return what is known of the connection."""
        return self._inner.get_extra_info(info)


async def _resolved(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.run_in_executor(
            _THREADS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except UnicodeError as exc:  # a part of the name is empty or too long
        raise DestinationError("this is not the name of a server") from exc
    names = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)
    return [ip_address(name.partition("%")[0]) for name in names]
