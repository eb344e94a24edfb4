"""The command `webhooks`: lists, adds and deletes webhooks, lists and repeats deliveries, by the HTTP API."""

import argparse
import time

import msgspec

from protocol.plain_text import plain
from transcripts.api.client import ApiClient, ApiClientError
from transcripts.api.messages.webhook_bodies import (
    CreatedWebhook,
    DeliveriesBody,
    DeliveryBody,
    NewWebhook,
    WebhookBody,
    WebhooksBody,
)
from transcripts.settings import ClientSettings

from ..common import configuration_of


def webhooks(options: argparse.Namespace) -> None:
    """Manage webhooks.  Raises ApiClientError."""
    settings = configuration_of(options).section("client", ClientSettings)
    if not settings.url:
        raise ApiClientError("webhooks are managed by the API: give its URL with --url")
    with ApiClient(settings.url, settings.key) as client:
        _ACTIONS[options.action](client, options)


def _list(client: ApiClient, _: argparse.Namespace) -> None:
    for one in msgspec.json.decode(client.webhooks("GET"), type=WebhooksBody).webhooks:
        print(_webhook_line(one))


def _add(client: ApiClient, options: argparse.Namespace) -> None:
    body = NewWebhook(options.target, options.event, options.description)
    made = msgspec.json.decode(client.webhooks("POST", body=body), type=CreatedWebhook)
    print(f"{made.webhook_id}\nsecret, shown only now: {made.secret}")


def _delete(client: ApiClient, options: argparse.Namespace) -> None:
    client.webhooks("DELETE", options.webhook)
    print(f"deleted {options.webhook}")


def _deliveries(client: ApiClient, options: argparse.Namespace) -> None:
    said = {"state": options.state, "limit": options.limit, "cursor": options.cursor}
    chosen = {name: value for name, value in said.items() if value is not None}
    answer = client.webhooks("GET", options.webhook, "deliveries", parameters=chosen)
    page = msgspec.json.decode(answer, type=DeliveriesBody)
    for one in page.deliveries:
        print(_delivery_line(one))
    if page.next_cursor is not None:
        print(f"more: --cursor {page.next_cursor}")


def _redeliver(client: ApiClient, options: argparse.Namespace) -> None:
    names = (options.webhook, "deliveries", options.delivery, "redeliver")
    answer = client.webhooks("POST", *names)
    print(_delivery_line(msgspec.json.decode(answer, type=DeliveryBody)))


def _test(client: ApiClient, options: argparse.Namespace) -> None:
    answer = client.webhooks("POST", options.webhook, "test")
    print(_delivery_line(msgspec.json.decode(answer, type=DeliveryBody)))


_ACTIONS = {
    "list": _list,
    "add": _add,
    "delete": _delete,
    "deliveries": _deliveries,
    "redeliver": _redeliver,
    "test": _test,
}


def _webhook_line(one: WebhookBody) -> str:
    state = "enabled" if one.enabled else f"disabled {one.disabled_reason}".strip()
    numbers = f"{one.waiting} waiting, {one.delivered} delivered, {one.dead} dead"
    return plain(f"{one.webhook_id} {one.url} {state}; {numbers}; {' '.join(one.events)}")


def _delivery_line(one: DeliveryBody) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.queued_at))
    ending = one.error or (f"status {one.status}" if one.status else "")
    return plain(
        f"{one.delivery_id} {at} {one.event} {one.call_id or '-'} {one.state}"
        f" {one.attempts} attempts {ending}".rstrip()
    )
