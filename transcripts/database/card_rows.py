"""Cards of a call, as rows and as events."""

from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select

from protocol.events import Audience, CardAdded, SegmentId

from ..transcript import StoredCard
from .metadata_rows import without_nul
from .schema import calls, cards

_MOST = 1_000
"""Most cards of one stream."""


def card_row(card: CardAdded) -> dict[str, Any]:
    """Return the columns of a card, without call and seq."""
    return {
        "card_id": card.card_id,
        "at": card.at,
        "title": without_nul(card.title),
        "text": without_nul(card.text),
        "link": without_nul(card.link),
        "audience": card.audience,
        "segment": str(card.segment) if card.segment else "",
        "rule": card.rule,
    }


def card_of(row: RowMapping) -> CardAdded:
    """Return the event of a row."""
    return CardAdded(
        row["card_id"],
        row["title"],
        row["at"],
        row["text"],
        row["link"],
        Audience(row["audience"]),
        SegmentId.parse(row["segment"]) if row["segment"] else None,
        row["rule"],
    )


def of_streams(connection: Connection, names: list[str]) -> list[StoredCard]:
    """Return the cards of streams, in order of the streams and of their positions."""
    query = (
        select(cards, calls.c.call_id)
        .join(calls, calls.c.id == cards.c.call)
        .where(calls.c.call_id.in_(names))
        .order_by(calls.c.started_at, cards.c.at, cards.c.seq, cards.c.card_id)
        .limit(_MOST)
    )
    rows = connection.execute(query).mappings()
    return [StoredCard(row["call_id"], card_of(row)) for row in rows]


def add(connection: Connection, call_id: str, card: CardAdded) -> bool:
    """Add a card to a stored stream, if it has none with this id.  Returns False without room or stream."""
    found = connection.execute(select(calls.c.id).where(calls.c.call_id == call_id)).scalar()
    if found is None:
        return False
    same = (cards.c.call == found, cards.c.card_id == card.card_id)
    if connection.execute(select(cards.c.card_id).where(*same)).first() is not None:
        return True
    number = connection.execute(select(func.count()).where(cards.c.call == found)).scalar() or 0
    if number >= _MOST:
        return False
    connection.execute(insert(cards).values(card_row(card) | {"call": found}))
    return True
