"""Authenticates the requests of a process by keys that may change, and closes connections whose key was revoked."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from protocol.auth.authenticator import Authenticator, Refusal
from protocol.auth.credentials import Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.web_access import Headers, WebAccess, WebRefusal

from ..credentials.key_file import KeyFile
from .certificates import Certificates

REVOKED = 4401
"""Close code: the key with which the connection was opened is not valid any more."""

_LOOK_SECONDS = 5.0
"""Seconds between checks of the files: connections of a revoked key are closed well within a minute."""

ANSWER_SECONDS = 0.25
"""Time after which failed authentication is answered, whatever the cause, so that the time reveals nothing."""

logger = structlog.get_logger()


class Closable(Protocol):
    """An accepted connection, or a request in progress."""

    async def close(self, code: int, reason: str) -> None:
        """Close it.  `code`: a WebSocket close code; HTTP has none."""
        ...


class RequestAccess:
    """Checks pages and credentials, and knows the permit of each open connection."""

    def __init__(
        self,
        web: WebAccess,
        keys: KeyFile | None,
        certificates: Certificates | None,
        authenticator: Authenticator,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        `authenticator`: gets the keyring of `keys` again whenever the file changes.

        `now` returns Unix seconds; `clock` and `sleep` (seconds) time the answers to invalid credentials.
        """
        self.tls = certificates
        self._web = web
        self._keys = keys
        self._authenticator = authenticator
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._connections: dict[Closable, Permit] = {}

    @property
    def origins(self) -> list[str]:
        """Origins of other servers whose web pages may use this process."""
        return sorted(map(str, self._web.origins))

    def refuse_page(self, headers: Headers, arrived_at: str, *, secure: bool) -> WebRefusal | None:
        """
        Check the origin and the host of a request.

        `arrived_at`: local address of the connection; `secure`: it uses TLS.  Returns the refusal of a web page
        that may not use this process or of an unknown host name; None if the request is allowed.
        """
        refusal = self._web.check(headers, arrived_at, secure=secure)
        if refusal is not None:
            logger.info("refused", status=int(refusal.status), reason=refusal.reason)
        return refusal

    async def authenticate(
        self, credentials: RequestCredentials, wanted: Scope, call_id: str | None = None
    ) -> Permit | Refusal:
        """
        Authenticate a request.  Returns its permit or a refusal.

        `wanted`: the required scope; `call_id`: the requested call.  All refusals for invalid credentials take the
        same time.
        """
        began = self._clock()
        result = self._authenticator.authenticate(credentials, wanted, self._now(), call_id)
        if isinstance(result, Refusal):
            logger.info("refused", status=int(result.status))
            if result.retry_after is None:
                await self._sleep(began + ANSWER_SECONDS - self._clock())
        return result

    @contextmanager
    def connected(self, connection: Closable, permit: Permit) -> Iterator[None]:
        """Close the connection if its permit becomes invalid while the context is active."""
        self._connections[connection] = permit
        try:
            yield
        finally:
            del self._connections[connection]

    async def run(self) -> None:
        """Check files and connections periodically, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.poll()

    async def poll(self) -> None:
        """Load changed files, and close connections whose permit is not valid any more."""
        if self.tls is not None:
            self.tls.renew()
        if self._keys is not None and self._keys.renewed():
            self._authenticator.keyring = self._keys.keyring
        now = self._now()
        gone = [
            connection
            for connection, permit in self._connections.items()
            if not self._authenticator.stands(permit, now)
        ]
        for connection in gone:
            logger.info("connection_revoked", permit=self._connections[connection].name)
        goodbyes = [
            connection.close(REVOKED, "this key was revoked or has expired") for connection in gone
        ]
        await asyncio.gather(*goodbyes, return_exceptions=True)  # a connection may be lost already
