"""Routes of cards: hints and links that systems of the site add to a call."""

import secrets
from dataclasses import dataclass
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from broker.http.middleware import permit_of
from protocol.auth.credentials import Scope
from protocol.clock import to_ms
from protocol.events import Audience, CardAdded, SegmentId
from protocol.tenants import bare

from ...database.audit_log import AuditLine
from ...live.rules import is_web_link
from ...transcript import StoredCard
from ..card_delivery import CardDelivery
from ..messages.errors import NO_CALL, ApiError
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation, read_json
from .call_routes import CALL


class NewCard(msgspec.Struct, forbid_unknown_fields=True):
    """
    A card for a call.  `link`: http or https.  `for`: who should see it.  `segment_id`: the segment that caused it.

    `card_id`: idempotency key; a card with an id that the call has is not added again.  Default: a random one.
    """

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    text: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    link: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    audience: Audience = msgspec.field(name="for", default=Audience.EVERYONE)
    segment_id: Annotated[str, msgspec.Meta(pattern=r"^([0-7]-[0-9]{1,7})?$")] = ""
    card_id: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9._:-]{1,64})?$")] = ""


class CardBody(msgspec.Struct):
    """A card of a call.  `rule`: name of the rule that added it; `piece`: id of the stream that has it."""

    card_id: str
    title: str
    text: str
    link: str
    audience: Audience = msgspec.field(name="for")
    segment_id: str
    at_ms: int
    rule: str
    piece: str


class CardsBody(msgspec.Struct):
    """The cards of a call."""

    cards: list[CardBody]


@dataclass(frozen=True, slots=True)
class CardRoutes:
    """Handlers of cards."""

    delivery: CardDelivery

    async def add_card(self, request: Request) -> Response:
        """Add a card to a call."""
        single(request.query_params.multi_items(), ())
        body = await read_json(request, NewCard)
        if body.link and not is_web_link(body.link):
            raise ApiError(422, "bad_body", "link is a URL that begins with https:// or http://")
        card = CardAdded(
            body.card_id or secrets.token_hex(12),
            body.title,
            0,
            body.text,
            body.link,
            body.audience,
            SegmentId.parse(body.segment_id) if body.segment_id else None,
        )
        call_id = _filed(request)
        added = await self.delivery.add(call_id, card, at_now=True)
        if added is None:
            raise NO_CALL
        await self._audit(request, "add card")
        return json_response(_body(StoredCard(call_id, added)), 201)

    async def read_cards(self, request: Request) -> Response:
        """Return the stored cards of a call."""
        single(request.query_params.multi_items(), ())
        call_id = _filed(request)
        cards = await self.delivery.store.run(lambda store: store.cards(call_id))
        if cards is None:
            raise NO_CALL
        await self._audit(request, "read cards")
        return json_response(CardsBody([_body(one) for one in cards]))

    async def _audit(self, request: Request, action: str) -> None:
        permit = permit_of(request)
        line = AuditLine(permit.name, permit.tenant, action, _filed(request))
        await self.delivery.store.run(lambda store: store.audit(line))

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        return [
            Operation(
                "GET",
                f"{CALL}/cards",
                Scope.READ,
                self.read_cards,
                "read_cards",
                "The cards of a call",
                {200: Answer("the cards", CardsBody)},
                errors=(400, 404),
                details="Cards of a call in progress are also events of its stream (`card`).",
            ),
            Operation(
                "POST",
                f"{CALL}/cards",
                Scope.INGEST,
                self.add_card,
                "add_card",
                "Add a card to a call: a hint, a link, what another system knows",
                {201: Answer("the card", CardBody)},
                body=NewCard,
                errors=(400, 404, 408, 409, 413, 422),
                details="Readers of a call in progress get it as the event `card`.",
            ),
        ]


def _body(one: StoredCard) -> CardBody:
    card = one.card
    return CardBody(
        card.card_id,
        card.title,
        card.text,
        card.link,
        card.audience,
        str(card.segment) if card.segment else "",
        to_ms(card.at),
        card.rule,
        bare(one.stream),
    )


def _filed(request: Request) -> str:
    return permit_of(request).filed(request.path_params["call_id"])
