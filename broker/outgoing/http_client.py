"""
Sends a request to a server outside of the installation.

No redirects, no proxy, and the address is checked when the connection is opened.  Duration and answer are bounded.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import httpcore

from protocol.outgoing.destinations import Address, DestinationError, Destinations

from ..time_limits import TimeLimit

_CONNECT_SECONDS = 4.0
"""Longest wait for one of several addresses."""

_READ_BYTES = 2_048
"""Most bytes that are parsed at once: some 100 interim answers take a few milliseconds."""

_THREADS = ThreadPoolExecutor(4, thread_name_prefix="outgoing")
"""For the resolution of names: a name server that does not answer holds up nothing else."""


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """
    Bounds of one request.

    `seconds`: from the resolution of the name to the end of the answer.  `longest_answer`: most bytes that are
    read, because a server may send any number of interim answers (1xx, RFC 9110 section 15.2) before the status.
    """

    seconds: float = 10.0
    longest_answer: int = 16_384


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The answer to a request.  `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class SendError(Exception):
    """The request was not answered.  The text says why, without address or content."""


class OutgoingHttp:
    """An HTTP client for addresses that `destinations` permits."""

    def __init__(
        self, destinations: Destinations, limits: RequestLimits = RequestLimits()
    ) -> None:  # frozen
        self._destinations = destinations
        self._limits = limits
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Send a request on a connection of its own.  The answer is without its body.  Raises SendError."""
        return await self._sent(url, headers, body, is_read=False)

    async def exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Send a request like `post`.  Returns the whole answer.  Raises SendError."""
        return await self._sent(url, headers, body, is_read=True)

    async def _sent(
        self, url: str, headers: Mapping[str, str], body: bytes, *, is_read: bool
    ) -> HttpAnswer:
        try:
            self._destinations.check_url(url)
            async with TimeLimit(self._limits.seconds):
                return await self._post(url, headers, body, is_read=is_read)
        except DestinationError as exc:
            raise SendError(str(exc)) from exc
        except TimeoutError as exc:
            raise SendError(f"no answer within {self._limits.seconds:g} s") from exc
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as exc:
            raise SendError("the answer is not HTTP") from exc
        except (httpcore.NetworkError, httpcore.TimeoutException, OSError) as exc:
            raise SendError(f"the connection failed: {type(exc).__name__}") from exc

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, is_read: bool
    ) -> HttpAnswer:
        if self._tls is None:  # reading the certificates of the system takes some time
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(_THREADS, ssl.create_default_context)
        secure = url.lower().startswith("https:")
        longest = self._limits.longest_answer
        backend = _CheckedBackend(self._destinations, longest, secure=secure)
        length = str(len(body))
        sent = [("user-agent", "Trunkline"), ("content-length", length), *headers.items()]
        async with (
            httpcore.AsyncConnectionPool(self._tls, network_backend=backend) as pool,
            pool.stream("POST", url, headers=sent, content=body) as answer,
        ):
            read = await answer.aread() if is_read else b""
            return HttpAnswer(answer.status, _named(answer.headers), read)


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to permitted addresses only."""

    def __init__(self, destinations: Destinations, longest_answer: int, *, secure: bool) -> None:
        self._destinations = destinations
        self._longest_answer = longest_answer
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
                return _BoundedStream(stream, self._longest_answer)
            except (DestinationError, httpcore.NetworkError, httpcore.TimeoutException) as exc:
                refused = exc
        raise refused


class _BoundedStream(httpcore.AsyncNetworkStream):
    """A connection from which at most `longest` bytes are read."""

    def __init__(self, inner: httpcore.AsyncNetworkStream, longest: int) -> None:
        self._inner = inner
        self._left = longest

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
        secured = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _BoundedStream(secured, self._left)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  # as httpcore has it
        """Return what is known of the connection."""
        return self._inner.get_extra_info(info)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


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
