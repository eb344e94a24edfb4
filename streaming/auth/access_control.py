"""Access control of a gateway: authenticates, counts connections, and closes those whose key was revoked."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from broker.credentials.key_file import KeyFile
from broker.http.certificates import CertificateError, Certificates
from broker.http.request_access import Closable, RequestAccess
from broker.usage.shared_limits import SharedLimits
from broker.usage.shared_usage import Usage
from protocol.auth.authenticator import (
    STRANGER,
    Authenticator,
    Refusal,
    too_many_connections,
)
from protocol.auth.credentials import EVERYTHING, KeyringError, Permit, Scope, SignerKind
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.signatures import nonce_of
from protocol.auth.web_access import Headers, WebRefusal
from protocol.operator_error import OperatorError

from ..settings import GatewaySettings


class AdmissionError(OperatorError):
    """The configured keys or certificates cannot be used: the operator must correct them."""


class AccessController:
    """Authenticates the requests of all ports of a gateway and counts its connections."""

    def __init__(
        self,
        settings: GatewaySettings,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        shared: SharedLimits | None = None,
    ) -> None:
        """
        `now` returns Unix seconds; `clock` and `sleep` (seconds) time the answers to invalid credentials.

        `shared`: counts limits of tenants and keys over all gateway processes; None: over this one.  Raises
        AdmissionError if files are missing or invalid.
        """
        self._settings = settings
        self.shared = shared
        try:
            keys = KeyFile(Path(settings.keys_file)) if settings.keys_file else None
            certificates = _certificates(settings)
        except (KeyringError, CertificateError) as exc:
            raise AdmissionError(str(exc)) from exc
        authenticator = Authenticator(
            keys.keyring if keys else None, settings.public_url, settings.connects_per_second
        )
        self._requests = RequestAccess(
            settings.web_access, keys, certificates, authenticator, now, clock, sleep
        )
        self._calls: Counter[str] = Counter()
        self._listeners: Counter[str] = Counter()
        self._listeners_of_key: Counter[str] = Counter()

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
        """See RequestAccess.  A valid key also takes a token of the rate that all gateway processes share."""
        result = await self._requests.authenticate(credentials, wanted, call_id)
        if self.shared is None or isinstance(result, Refusal) or result is EVERYTHING:
            return result
        if wait := await self.shared.connects.take(result.name):
            return too_many_connections(wait)
        if not result.name.startswith(f"{SignerKind.AUDIOHOOK}:"):
            return result
        nonce = f"{result.name}:{nonce_of(dict(credentials.headers))}"
        return result if await self.shared.nonces.is_new(nonce) else STRANGER

    async def run(self) -> None:
        """Check files and connections periodically, and share what is counted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._requests.run())
            if self.shared is not None:
                tasks.create_task(self.shared.usage.run())

    async def claim_call(self, permit: Permit) -> Refusal | None:
        """
        Claim a call of a tenant among all gateway processes; the refusal if they have reached the limit.

        Call `inside` when it begins, or `give_up_call`.
        """
        if refusal := self.room_for(permit):
            return refusal
        most = self._settings.calls_per_tenant
        if not permit.tenant or await self._claim(Usage("calls", permit.tenant), most):
            return None
        return _TOO_MANY_CALLS

    def give_up_call(self, permit: Permit) -> None:
        """Release a claim of `claim_call`."""
        if self.shared is not None:
            self.shared.usage.give_up(Usage("calls", permit.tenant))

    async def claim_listener(self, permit: Permit) -> Refusal | None:
        """Claim a listener of a key and its tenant, as `claim_call` claims a call."""
        if refusal := self.room_for_listener(permit):
            return refusal
        if permit is EVERYTHING:
            return None
        of_key = Usage("listeners_of_key", _key(permit))
        if not await self._claim(of_key, self._settings.listeners_per_key):
            return _refuse_listener("key")
        of_tenant = Usage("listeners", permit.tenant)
        if permit.tenant and not await self._claim(of_tenant, self._settings.listeners_per_tenant):
            return _refuse_listener("tenant")
        return None

    async def _claim(self, usage: Usage, most: int) -> bool:
        return self.shared is None or await self.shared.usage.claim(usage, most)

    def room_for(self, permit: Permit) -> Refusal | None:
        """Return the refusal if the tenant has reached its limit of calls; otherwise None."""
        if not permit.tenant or self._calls[permit.tenant] < self._settings.calls_per_tenant:
            return None
        return _TOO_MANY_CALLS

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
        self, connection: Closable, permit: Permit, *, call: bool, listens: bool = False
    ) -> Iterator[None]:
        """Count a connection while the context is active, as a call (`call`) or as a listener (`listens`)."""
        counted = [(self._calls, Usage("calls", permit.tenant))] if call else []
        if listens:
            counted += [
                (self._listeners, Usage("listeners", permit.tenant)),
                (self._listeners_of_key, Usage("listeners_of_key", _key(permit))),
            ]
        for counter, usage in counted:
            self._count(counter, usage, 1, permit)
        try:
            with self._requests.connected(connection, permit):
                yield
        finally:
            for counter, usage in counted:
                self._count(counter, usage, -1, permit)

    def _count(self, counter: Counter[str], usage: Usage, amount: int, permit: Permit) -> None:
        counter[usage.whose] += amount
        if not counter[usage.whose]:
            del counter[usage.whose]
        if self.shared is not None and usage.whose and permit is not EVERYTHING:
            self.shared.usage.add(usage, amount)


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


_TOO_MANY_CALLS = Refusal(
    HTTPStatus.TOO_MANY_REQUESTS, "this tenant has reached its limit of calls\n", 5
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
