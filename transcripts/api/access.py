"""Access control of the API: the keys of the gateway, its own limits of event streams."""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from broker.credentials.key_file import KeyFile
from broker.http.certificates import Certificates
from broker.http.request_access import Closable, RequestAccess
from protocol.auth.authenticator import Authenticator, Refusal
from protocol.auth.credentials import EVERYTHING, Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.web_access import Headers, WebRefusal

from .page_credentials import PageCredentials
from .settings import ApiSettings


class ApiAccess:
    """Authenticates requests, counts event streams, and ends those whose key was revoked."""

    def __init__(
        self,
        settings: ApiSettings,
        credentials: PageCredentials,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` returns Unix seconds.  Raises KeyringError or CertificateError if files cannot be used."""
        self._most = settings.max_listeners
        self._most_of_key = settings.listeners_per_key
        keys = KeyFile(Path(settings.keys_file)) if settings.keys_file else None
        certificates = (
            Certificates(Path(settings.tls_certificate), Path(settings.tls_key))
            if settings.tls_certificate
            else None
        )
        authenticator = Authenticator(
            keys.keyring if keys else None,
            settings.public_url,
            settings.requests_per_second,
            credentials.permit,
        )
        self._requests = RequestAccess(settings.web_access, keys, certificates, authenticator, now)
        self._listeners: Counter[Hashable] = Counter()
        self._listeners_of_key: Counter[Hashable] = Counter()

    @property
    def tls(self) -> Certificates | None:
        """The TLS certificates; None if TLS is not configured."""
        return self._requests.tls

    @property
    def origins(self) -> list[str]:
        """See RequestAccess."""
        return self._requests.origins

    def refuse_page(self, headers: Headers, arrived_at: str, *, secure: bool) -> WebRefusal | None:
        """See RequestAccess."""
        return self._requests.refuse_page(headers, arrived_at, secure=secure)

    async def authenticate(
        self, credentials: RequestCredentials, wanted: Scope, call_id: str | None = None
    ) -> Permit | Refusal:
        """See RequestAccess."""
        return await self._requests.authenticate(credentials, wanted, call_id)

    async def run(self) -> None:
        """See RequestAccess."""
        await self._requests.run()

    async def claim_listener(self, permit: Permit) -> Refusal | None:
        """Return the refusal if there are too many event streams of this process; see RequestAccess."""
        return self.room_for_listener(permit)

    def room_for_listener(self, permit: Permit) -> Refusal | None:
        """Return the refusal if there are too many event streams, in all, of the key or of the tenant."""
        if self._listeners.total() >= self._most:
            text = "the limit of event streams is reached: try again later\n"
            return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, text, 5, "listeners")
        if permit is EVERYTHING:
            return None
        if self._listeners_of_key[_key(permit)] >= self._most_of_key:
            return _refuse_listener("key")
        if permit.tenant and self._listeners[permit.tenant] >= max(1, self._most // 2):
            return _refuse_listener("tenant")
        return None

    @contextmanager
    def inside(
        self,
        connection: Closable,
        permit: Permit,
        *,
        call: bool,  # the API takes no calls
        listens: bool = False,
    ) -> Iterator[None]:
        """Count a request while the context is active."""
        counted = [*self._counted(permit)] if listens else []
        for counter, name in counted:
            counter[name] += 1
        try:
            with self._requests.connected(connection, permit):
                yield
        finally:
            for counter, name in counted:
                counter[name] -= 1
                if not counter[name]:
                    del counter[name]

    def _counted(self, permit: Permit) -> Iterator[tuple[Counter[Hashable], Hashable]]:
        yield self._listeners, permit.tenant
        yield self._listeners_of_key, _key(permit)


def _key(permit: Permit) -> Hashable:
    """Return the name under which streams of a key are counted: an issuer may sign for several tenants."""
    return permit.name, permit.tenant


def _refuse_listener(whose: str) -> Refusal:
    text = f"this {whose} has reached its limit of event streams\n"
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, 5, f"listeners_of_{whose}")
