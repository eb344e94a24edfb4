"""Routes of webhooks: endpoints, their secrets, deliveries, and sending one again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from broker.http.middleware import permit_of
from protocol.auth.credentials import Scope
from protocol.outgoing.destinations import DestinationError, Destinations

from ...database.audit_log import AuditLine
from ...webhooks.endpoint import MOST_OF_TENANT, DeliveryState, WebhookEndpoint
from ...webhooks.events import EventKind
from ...webhooks.webhook_store import TooManyEndpointsError, WebhookStore
from ..messages.errors import ApiError
from ..messages.parameters import choice, single, whole
from ..messages.responses import json_response
from ..messages.webhook_bodies import (
    CreatedWebhook,
    DeliveriesBody,
    DeliveryBody,
    NewSecret,
    NewWebhook,
    SecretBody,
    WebhookBody,
    WebhookChange,
    WebhooksBody,
    created_body,
    deliveries_body,
    delivery_body,
    webhook_body,
)
from ..operations import Answer, Operation, Parameter, read_json
from ..threads import StoreThreads

_ALL = "/v1/webhooks"
_ONE = f"{_ALL}/{{webhook_id}}"
_DELIVERIES = f"{_ONE}/deliveries"
_MOST = 200
"""Most deliveries on a page."""

_LAST = 10**18 - 1

NO_WEBHOOK = ApiError(404, "no_such_webhook", "no such webhook")
NO_DELIVERY = ApiError(404, "no_such_delivery", "no such delivery of this webhook")

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class WebhookRoutes:
    """Handlers of webhooks.  `destinations`: where they may be sent."""

    store: StoreThreads
    destinations: Destinations

    async def list_webhooks(self, request: Request) -> Response:
        """Return the endpoints of the tenant."""
        single(request.query_params.multi_items(), ())
        tenant = permit_of(request).tenant
        found = await self._run(lambda hooks: hooks.endpoints(tenant))
        return json_response(WebhooksBody([webhook_body(one) for one in found]))

    async def add_webhook(self, request: Request) -> Response:
        """Make an endpoint."""
        single(request.query_params.multi_items(), ())
        tenant, body = permit_of(request).tenant, await read_json(request, NewWebhook)
        self._check(body.url)
        events = _kinds(body.events)
        try:
            made = await self._run(
                lambda hooks: hooks.add(
                    tenant, body.url, events, body.description, enabled=body.enabled
                )
            )
        except TooManyEndpointsError as exc:
            text = f"a tenant has at most {MOST_OF_TENANT} webhooks: delete one first"
            raise ApiError(409, "no_room", text) from exc
        await self._audit(request, "add webhook")
        return json_response(created_body(made), 201)

    async def read_webhook(self, request: Request) -> Response:
        """Return an endpoint."""
        single(request.query_params.multi_items(), ())
        tenant, webhook_id = _named(request)
        found = await self._run(lambda hooks: hooks.endpoint(tenant, webhook_id))
        return json_response(webhook_body(_known(found)))

    async def change_webhook(self, request: Request) -> Response:
        """Change an endpoint."""
        single(request.query_params.multi_items(), ())
        tenant, webhook_id = _named(request)
        body = await read_json(request, WebhookChange)
        if body.url is not None:
            self._check(body.url)
        change = partial(_changed, body=body)
        found = _known(await self._run(lambda hooks: hooks.change(tenant, webhook_id, change)))
        await self._audit(request, "change webhook")
        return json_response(webhook_body(found))

    async def delete_webhook(self, request: Request) -> Response:
        """Delete an endpoint with its deliveries."""
        single(request.query_params.multi_items(), ())
        tenant, webhook_id = _named(request)
        if not await self._run(lambda hooks: hooks.remove(tenant, webhook_id)):
            raise NO_WEBHOOK
        await self._audit(request, "delete webhook")
        return Response(status_code=204)

    async def rotate_secret(self, request: Request) -> Response:
        """Make a new secret for an endpoint."""
        single(request.query_params.multi_items(), ())
        tenant, webhook_id = _named(request)
        seconds = (await read_json(request, NewSecret)).overlap_seconds
        made = await self._run(lambda hooks: hooks.rotate(tenant, webhook_id, seconds))
        await self._audit(request, "rotate secret")
        return json_response(SecretBody(_known(made).text))

    async def test_webhook(self, request: Request) -> Response:
        """Queue a test."""
        single(request.query_params.multi_items(), ())
        tenant, webhook_id = _named(request)
        found = await self._run(lambda hooks: hooks.test(tenant, webhook_id))
        return json_response(delivery_body(_known(found)), 202)

    async def list_deliveries(self, request: Request) -> Response:
        """Return deliveries of an endpoint."""
        tenant, webhook_id = _named(request)
        said = single(request.query_params.multi_items(), ("state", "limit", "cursor"))
        state, limit = choice(said, "state", DeliveryState), whole(said, "limit", 50, 1, _MOST)
        before = whole(said, "cursor", 0, 0, _LAST) or None
        found = await self._run(
            lambda hooks: hooks.deliveries(tenant, webhook_id, state, limit, before)
        )
        return json_response(deliveries_body(_known(found)))

    async def redeliver(self, request: Request) -> Response:
        """Send a delivery again."""
        single(request.query_params.multi_items(), ())
        tenant, webhook_id = _named(request)
        name = request.path_params["delivery_id"]
        found = await self._run(lambda hooks: hooks.send_again(tenant, webhook_id, name))
        if found is None:
            raise NO_DELIVERY
        await self._audit(request, "redeliver webhook")
        return json_response(delivery_body(found), 202)

    async def _run(self, work: Callable[[WebhookStore], _Result]) -> _Result:
        return await self.store.run(lambda store: work(store.webhooks))

    def _check(self, url: str) -> None:
        try:
            self.destinations.check_url(url)
        except DestinationError as exc:
            raise ApiError(422, "bad_url", str(exc)) from exc

    async def _audit(self, request: Request, action: str) -> None:
        permit = permit_of(request)
        line = AuditLine(permit.name, permit.tenant, action, "")
        await self.store.run(lambda store: store.audit(line))

    def operations(self) -> list[Operation]:
        """The operations with their descriptions.  All take the scope `admin`: a webhook gets what calls say."""
        admin, body_errors = Scope.ADMIN, (400, 404, 408, 413, 422)
        return [
            Operation(
                "GET",
                _ALL,
                admin,
                self.list_webhooks,
                "list_webhooks",
                "The webhooks of the tenant",
                {200: Answer("the webhooks, without their secrets", WebhooksBody)},
                errors=(400,),
            ),
            Operation(
                "POST",
                _ALL,
                admin,
                self.add_webhook,
                "add_webhook",
                "Send events of calls to a URL from now on",
                {201: Answer("the webhook with its secret", CreatedWebhook)},
                body=NewWebhook,
                errors=(400, 408, 409, 413, 422),
                details="The secret is shown only in this answer.",
            ),
            Operation(
                "GET",
                _ONE,
                admin,
                self.read_webhook,
                "read_webhook",
                "A webhook",
                {200: Answer("the webhook", WebhookBody)},
                errors=(400, 404),
            ),
            Operation(
                "PATCH",
                _ONE,
                admin,
                self.change_webhook,
                "change_webhook",
                "Change a webhook, disable it or enable it again",
                {200: Answer("the webhook", WebhookBody)},
                body=WebhookChange,
                errors=body_errors,
                details="While it is disabled, no events are queued for it, and nothing is sent.",
            ),
            Operation(
                "DELETE",
                _ONE,
                admin,
                self.delete_webhook,
                "delete_webhook",
                "Delete a webhook with its deliveries",
                {204: Answer("it is deleted")},
                errors=(400, 404),
            ),
            Operation(
                "POST",
                f"{_ONE}/secret",
                admin,
                self.rotate_secret,
                "rotate_webhook_secret",
                "Make a new secret; the present one signs too for some time",
                {200: Answer("the secret", SecretBody)},
                body=NewSecret,
                errors=body_errors,
            ),
            Operation(
                "POST",
                f"{_ONE}/test",
                admin,
                self.test_webhook,
                "test_webhook",
                "Send the event `webhook.test`",
                {202: Answer("the delivery", DeliveryBody)},
                errors=(400, 404),
            ),
            Operation(
                "GET",
                _DELIVERIES,
                admin,
                self.list_deliveries,
                "list_deliveries",
                "Deliveries of a webhook with their state, the latest first",
                {200: Answer("a page of deliveries", DeliveriesBody)},
                _PAGE_PARAMETERS,
                errors=(400, 404),
            ),
            Operation(
                "POST",
                f"{_DELIVERIES}/{{delivery_id}}/redeliver",
                admin,
                self.redeliver,
                "redeliver",
                "Send a delivery again, with all attempts",
                {202: Answer("the delivery", DeliveryBody)},
                errors=(400, 404),
                details="A delivery that is being sent at this moment is left alone.",
            ),
        ]


def _named(request: Request) -> tuple[str, str]:
    return permit_of(request).tenant, request.path_params["webhook_id"]


def _known(found: _Result | None) -> _Result:
    if found is None:
        raise NO_WEBHOOK
    return found


def _kinds(names: Sequence[str]) -> tuple[EventKind, ...]:
    return tuple(EventKind(name) for name in dict.fromkeys(names))


def _changed(endpoint: WebhookEndpoint, body: WebhookChange) -> WebhookEndpoint:
    changed = replace(
        endpoint,
        url=endpoint.url if body.url is None else body.url,
        events=endpoint.events if body.events is None else _kinds(body.events),
        description=endpoint.description if body.description is None else body.description,
    )
    if body.enabled is None:
        return changed
    return replace(
        changed,
        enabled=body.enabled,
        disabled_reason="",
        failures=0,
        failing_since=None,
        paused_until=0.0,
    )


_PAGE_PARAMETERS = (
    Parameter(
        "state",
        "only deliveries in this state",
        {"type": "string", "enum": [str(state) for state in DeliveryState]},
    ),
    Parameter(
        "limit", "most deliveries on a page", {"type": "integer", "minimum": 1, "maximum": _MOST}
    ),
    Parameter("cursor", "`next_cursor` of the page before"),
)
