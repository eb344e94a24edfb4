"""Access control of a gateway: authenticates, counts connections, and closes those whose key was revoked."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

import structlog

from broker.http.certificates import CertificateError, Certificates
from broker.key_file import KeyFile
from protocol.auth.authenticator import Authenticator, Refusal
from protocol.auth.credentials import EVERYTHING, Keyring, KeyringError, Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.web_access import Headers, WebRefusal
from protocol.operator_error import OperatorError

from ..settings import GatewaySettings

REVOKED = 4401
"""Close code: the key with which the connection was opened is not valid any more."""

_CHECK_SECONDS = 5.0
"""Seconds between checks of the files: connections of a revoked key are closed well within a minute."""

ANSWER_SECONDS = 0.25
"""Time after which failed authentication is answered, whatever the cause, so that the time reveals nothing."""

log = structlog.get_logger()


class AdmissionError(OperatorError):
    """The configured keys or certificates cannot be used: the operator must correct them."""


class Connection(Protocol):
    """An accepted connection."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection.  `code`: a WebSocket close code."""
        ...


class AccessController:
    """Authenticates the requests of all ports of a gateway and counts its connections."""

    def __init__(
        self,
        settings: GatewaySettings,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        `now` returns Unix seconds; `clock` and `sleep` (seconds) time the answers to invalid credentials.

        Raises AdmissionError if files are missing or invalid.
        """
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self._settings = settings
        self._web = settings.web_access
        try:
            self._keys = KeyFile(Path(settings.keys_file)) if settings.keys_file else None
            self._certificates = _certificates(settings)
        except (KeyringError, CertificateError) as exc:
            raise AdmissionError(str(exc)) from exc
        self._authenticator = Authenticator(
            self._keyring, settings.public_url, settings.connects_per_second
        )
        self._connections: dict[Connection, Permit] = {}
        self._calls: Counter[str] = Counter()
        self._listeners: Counter[str] = Counter()
        self._listeners_of_key: Counter[str] = Counter()

    @property
    def tls(self) -> Certificates | None:
        """The TLS certificates; None if TLS is not configured."""
        return self._certificates

    @property
    def origins(self) -> list[str]:
        """Origins of other servers whose web pages may use this gateway."""
        return sorted(map(str, self._web.origins))

    def refuse_page(self, headers: Headers, arrived_at: str, *, secure: bool) -> WebRefusal | None:
        """
        Check the origin and the host of a request.

        `arrived_at`: local address of the connection; `secure`: it uses TLS.  Returns the refusal of a web page
        that may not use this gateway or of an unknown host name; None if the request is allowed.
        """
        refusal = self._web.check(headers, arrived_at, secure=secure)
        if refusal is not None:
            log.info("refused", status=int(refusal.status), reason=refusal.reason)
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
            log.info("refused", status=int(result.status))
            if result.retry_after is None:
                await self._sleep(began + ANSWER_SECONDS - self._clock())
        return result

    def room_for(self, permit: Permit) -> Refusal | None:
        """Return the refusal if the tenant has reached its limit of calls; otherwise None."""
        if not permit.tenant or self._calls[permit.tenant] < self._settings.calls_per_tenant:
            return None
        return Refusal(
            HTTPStatus.TOO_MANY_REQUESTS, "this tenant has reached its limit of calls\n", 5
        )

    def room_for_listener(self, permit: Permit) -> Refusal | None:
        """Return the refusal if key, tenant or gateway has reached its limit of listeners; otherwise None."""
        settings = self._settings
        if self._listeners.total() >= settings.max_listeners:
            return _TOO_MANY_LISTENERS
        if permit is EVERYTHING:
            return None
        if self._listeners_of_key[_key(permit)] >= settings.listeners_per_key:
            return _refuse_listener("key")
        if permit.tenant and self._listeners[permit.tenant] >= settings.listeners_per_tenant:
            return _refuse_listener("tenant")
        return None

    @contextmanager
    def inside(
        self, connection: Connection, permit: Permit, *, call: bool, listens: bool = False
    ) -> Iterator[None]:
        """Count a connection while the context is active, as a call (`call`) or as a listener (`listens`)."""
        counted = [(self._calls, permit.tenant)] if call else []
        if listens:
            counted += [(self._listeners, permit.tenant), (self._listeners_of_key, _key(permit))]
        for counter, name in counted:
            counter[name] += 1
        self._connections[connection] = permit
        try:
            yield
        finally:
            del self._connections[connection]
            for counter, name in counted:
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]

    async def run(self) -> None:
        """Check files and connections periodically, until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await self.poll()

    async def poll(self) -> None:
        """Load changed files, and close connections whose permit is not valid any more."""
        if self._certificates is not None:
            self._certificates.renew()
        if self._keys is not None and self._keys.renewed():
            self._authenticator.keyring = self._keyring
        now = self._now()
        gone = [
            connection
            for connection, permit in self._connections.items()
            if not self._authenticator.stands(permit, now)
        ]
        for connection in gone:
            log.info("connection_revoked", permit=self._connections[connection].name)
        goodbyes = [
            connection.close(REVOKED, "this key was revoked or has expired") for connection in gone
        ]
        await asyncio.gather(*goodbyes, return_exceptions=True)  # a connection may be lost already

    @property
    def _keyring(self) -> Keyring | None:
        return self._keys.keyring if self._keys else None


def _key(permit: Permit) -> str:
    """Return the name under which listeners of a key are counted: an issuer may sign for several tenants."""
    return f"{permit.name} {permit.tenant}"


def _refuse_listener(whose: str) -> Refusal:
    return Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"this {whose} has reached its limit of listeners\n",
        5,
        f"listeners_of_{whose}",
    )


_TOO_MANY_LISTENERS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "this gateway has reached its limit of listeners\n",
    5,
    "listeners",
)


def _certificates(settings: GatewaySettings) -> Certificates | None:
    if not settings.tls_certificate:
        return None
    client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    return Certificates(Path(settings.tls_certificate), Path(settings.tls_key), client_ca)
