"""Routes of the page that connects a telephone system: addresses of the gateway, and a key made on the spot."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from broker.credentials.key_changes import TooManyKeysError, create_key
from broker.http.middleware import permit_of
from broker.refused_connections import RefusedConnection, read_refused
from protocol.auth.credentials import KeyringError, Scope

from ...database.audit_log import AuditLine
from ..messages.errors import ApiError
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation, read_json
from ..settings import ApiSettings
from ..threads import StoreThreads

_DAY_SECONDS = 86_400
_MOST_KEYS = 1_000
"""Most valid keys of a tenant: the whole key file is read for each change."""


class ConnectBody(msgspec.Struct):
    """
    Where bridges connect.  Addresses that the settings do not name are empty.

    `needs_key`: False if the site has no keys.  `can_make_keys`: this reader may make one.  `refused`: the last
    connections that gateways refused, newest first; empty for readers who are not administrators of the whole site.
    """

    gateway_url: str
    gateway_http_url: str
    audiosocket: str
    needs_key: bool
    can_make_keys: bool
    tenant: str
    refused: list[RefusedConnection]


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A key with the scope `ingest` for the tenant.  `seconds`: until it expires; null: never."""

    note: Annotated[str, msgspec.Meta(max_length=200)] = ""
    seconds: Annotated[int, msgspec.Meta(ge=60, le=3_650 * _DAY_SECONDS)] | None = None


class KeyBody(msgspec.Struct):
    """A new key.  It is shown once."""

    key: str


@dataclass(frozen=True, slots=True)
class ConnectRoutes:
    """Handlers of addresses and keys."""

    store: StoreThreads
    settings: ApiSettings
    redis: Redis

    async def read_addresses(self, request: Request) -> Response:
        """Return where bridges connect."""
        single(request.query_params.multi_items(), ())
        permit, settings = permit_of(request), self.settings
        is_site_admin = permit.allows(Scope.ADMIN) and not permit.tenant and permit.call_id is None
        return json_response(
            ConnectBody(
                settings.gateway_url,
                settings.gateway_http_url,
                settings.gateway_audiosocket,
                bool(settings.keys_file),
                bool(settings.keys_file) and permit.allows(Scope.ADMIN) and permit.call_id is None,
                permit.tenant,
                await read_refused(self.redis) if is_site_admin else [],
            )
        )

    async def make_key(self, request: Request) -> Response:
        """Make a key for a bridge of the tenant."""
        single(request.query_params.multi_items(), ())
        permit = permit_of(request)
        body = await read_json(request, NewKey)
        if permit.call_id is not None:
            raise ApiError(403, "forbidden", "a credential for one call makes no keys")
        if not self.settings.keys_file:
            raise ApiError(409, "no_keys", "this site has no keys: bridges connect without one")
        line = AuditLine(permit.name, permit.tenant, "create key", "")
        await self.store.run(lambda store: store.audit(line))
        try:
            key = await asyncio.to_thread(
                create_key,
                Path(self.settings.keys_file),
                owner=permit.tenant,
                scopes=(Scope.INGEST,),
                days=None if body.seconds is None else body.seconds / _DAY_SECONDS,
                note=body.note,
                now=time.time(),
                most=_MOST_KEYS,
            )
        except TooManyKeysError as exc:
            raise ApiError(409, "too_many_keys", str(exc)) from exc
        except (OSError, KeyringError) as exc:
            text = "the API cannot write the key file: use `trunkline keys create`"
            raise ApiError(409, "keys_read_only", text) from exc
        return json_response(KeyBody(key), 201)

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        return [
            Operation(
                "GET",
                "/v1/connect",
                Scope.READ,
                self.read_addresses,
                "read_addresses",
                "Where bridges connect",
                {200: Answer("the addresses", ConnectBody)},
                errors=(400,),
            ),
            Operation(
                "POST",
                "/v1/keys",
                Scope.ADMIN,
                self.make_key,
                "make_key",
                "Make a key with which a bridge of the tenant sends calls",
                {201: Answer("the key, which is shown once", KeyBody)},
                body=NewKey,
                errors=(400, 408, 409, 413, 422),
            ),
        ]
