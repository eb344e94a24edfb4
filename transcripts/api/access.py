"""Access control of the API: the keys of the gateway, its own limits of event streams."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import structlog

from broker.http.certificates import Certificates
from broker.http.middleware import Reader
from broker.key_file import KeyFile
from protocol.auth.authenticator import Authenticator, Refusal
from protocol.auth.credentials import Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.web_access import Headers, WebRefusal

from .settings import ApiSettings

_CHECK_SECONDS = 5.0
"""Seconds between checks of the files."""

_ANSWER_SECONDS = 0.25
"""Time after which failed authentication is answered, whatever the cause, so that the time reveals nothing."""

_REVOKED = 4401

log = structlog.get_logger()


class ApiAccess:
    """Authenticates requests, counts event streams, and ends those whose key was revoked."""

    def __init__(self, settings: ApiSettings, now: Callable[[], float] = time.time) -> None:
        """`now` returns Unix seconds.  Raises KeyringError or CertificateError if files cannot be used."""
        self._now = now
        self._web = settings.web_access
        self._most = settings.max_listeners
        self._keys = KeyFile(Path(settings.keys_file)) if settings.keys_file else None
        self.tls = (
            Certificates(Path(settings.tls_certificate), Path(settings.tls_key))
            if settings.tls_certificate
            else None
        )
        keyring = self._keys.keyring if self._keys else None
        self._authenticator = Authenticator(
            keyring, settings.public_url, settings.requests_per_second
        )
        self._connections: dict[Reader, Permit] = {}
        self._listeners: Counter[str] = Counter()

    @property
    def origins(self) -> list[str]:
        """Origins of other servers whose web pages may use the API."""
        return sorted(map(str, self._web.origins))

    def refuse_page(self, headers: Headers, arrived_at: str, *, secure: bool) -> WebRefusal | None:
        """Return the refusal of a web page or an unknown host name; None if the request is allowed."""
        refusal = self._web.check(headers, arrived_at, secure=secure)
        if refusal is not None:
            log.info("refused", status=int(refusal.status), reason=refusal.reason)
        return refusal

    async def authenticate(
        self, credentials: RequestCredentials, wanted: Scope, call_id: str | None = None
    ) -> Permit | Refusal:
        """Return the permit of a request, or its refusal.  All refusals of credentials take the same time."""
        began = time.monotonic()
        result = self._authenticator.authenticate(credentials, wanted, self._now(), call_id)
        if isinstance(result, Refusal):
            log.info("refused", status=int(result.status))
            if result.retry_after is None:
                await asyncio.sleep(began + _ANSWER_SECONDS - time.monotonic())
        return result

    def room_for_listener(self, permit: Permit) -> Refusal | None:
        """Return the refusal if there are too many event streams, in all or of the tenant."""
        if self._listeners.total() >= self._most:
            text = "the limit of event streams is reached: try again later\n"
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, text, 5, "listeners")
        if permit.tenant and self._listeners[permit.tenant] >= max(1, self._most // 2):
            text = "this tenant has reached its limit of event streams\n"
            return Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, 5, "listeners_of_tenant")
        return None

    @contextmanager
    def inside(
        self,
        connection: Reader,
        permit: Permit,
        *,
        call: bool,  # the API takes no calls
        listens: bool = False,
    ) -> Iterator[None]:
        """Count a request while the context is active."""
        self._connections[connection] = permit
        self._listeners[permit.tenant] += listens
        try:
            yield
        finally:
            del self._connections[connection]
            self._listeners[permit.tenant] -= listens
            if not self._listeners[permit.tenant]:
                del self._listeners[permit.tenant]

    async def run(self) -> None:
        """Check the files periodically until cancelled, and end requests whose permit is not valid any more."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await self.poll()

    async def poll(self) -> None:
        """Load changed files, and end requests whose permit is not valid any more."""
        if self.tls is not None:
            self.tls.renew()
        if self._keys is not None and self._keys.renewed():
            self._authenticator.keyring = self._keys.keyring
        now = self._now()
        gone = [one for one, permit in self._connections.items() if not self._stands(permit, now)]
        for one in gone:
            await one.close(_REVOKED, "this key was revoked or has expired")

    def _stands(self, permit: Permit, now: float) -> bool:
        return self._authenticator.stands(permit, now)
