"""Access control of the API: the keys of the gateway, its own limits of event streams."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from broker.http.certificates import Certificates
from broker.http.request_access import Closable, RequestAccess
from broker.key_file import KeyFile
from protocol.auth.authenticator import Authenticator, Refusal
from protocol.auth.credentials import Permit, Scope
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
        self._listeners: Counter[str] = Counter()

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
        connection: Closable,
        permit: Permit,
        *,
        call: bool,  # the API takes no calls
        listens: bool = False,
    ) -> Iterator[None]:
        """Count a request while the context is active."""
        self._listeners[permit.tenant] += listens
        try:
            with self._requests.connected(connection, permit):
                yield
        finally:
            self._listeners[permit.tenant] -= listens
            if not self._listeners[permit.tenant]:
                del self._listeners[permit.tenant]
