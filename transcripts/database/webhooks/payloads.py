"""The body of a request, made from what is stored at the time at which it is sent."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, func, select

from protocol.clock import to_ms
from protocol.tenants import bare

from ...webhooks.events import EventKind
from .. import analysis_rows
from ..schema import calls, channel_of, keys_of, segments

_NUMBER_MASK = (1 << 21) - 1


class IncompleteCallError(Exception):
    """Another recorder has not stored all segments of the call yet."""


def payload(connection: Connection, row: RowMapping, *, must_be_complete: bool) -> bytes:
    """
    Return the body for a row of `webhook_deliveries`.

    Raises IncompleteCallError for `call.stored` if segments are missing and `must_be_complete`.
    """
    data: dict[str, Any] = {}
    if row["call"] is not None:
        query = select(calls).where(calls.c.id == row["call"])
        call = connection.execute(query).mappings().one()
        kind = EventKind(row["kind"])
        data |= {"call_id": bare(call["root"]), "piece": bare(call["call_id"])}
        data |= _of_call(connection, kind, call, row["data"].get("segments"), must_be_complete)
        if row["segment"] is not None:
            data |= _of_segment(connection, kind, row["segment"])
        if row["seq"] is not None:
            data["seq"] = row["seq"]
    data = row["data"] | data
    at = datetime.fromtimestamp(row["queued_at"], UTC).isoformat(timespec="milliseconds")
    body = {"type": row["kind"], "timestamp": at.replace("+00:00", "Z"), "data": data}
    return msgspec.json.encode(body)


def _of_call(
    connection: Connection,
    kind: EventKind,
    call: RowMapping,
    number: int | None,
    must_be_complete: bool,  # noqa: FBT001  # positional inside this module
) -> dict[str, Any]:
    if kind is EventKind.CALL_SUMMARISED:
        return _of_analysis(connection, call["call_id"])
    if kind not in (EventKind.CALL_STARTED, EventKind.CALL_ENDED, EventKind.CALL_STORED):
        return {}
    found: dict[str, Any] = {name: call[name] for name in ("started_at", "agent", "language")}
    found |= {"roles": list(call["roles"]), "dialect": call["dialect"]}
    if kind is EventKind.CALL_STARTED:
        return found
    found |= {"reason": call["ended_reason"], "duration_ms": to_ms(call["duration"])}
    if kind is EventKind.CALL_STORED:
        within = segments.c.id.between(*keys_of(call["id"]))
        stored = connection.execute(select(func.count()).where(within)).scalar() or 0
        found["complete"] = number is None or stored >= number
        if must_be_complete and not found["complete"]:
            raise IncompleteCallError
    return found


def _of_analysis(connection: Connection, call_id: str) -> dict[str, Any]:
    """The answer as it is stored now: it is gone if the words of the call have changed since."""
    found = analysis_rows.of_call(connection, call_id)
    if found is None or found.answered is None:
        return {"summary": None}
    answered = found.answered
    return {**answered.answer, "model": answered.model, "template": answered.template}


def _of_segment(connection: Connection, kind: EventKind, key: int) -> dict[str, Any]:
    """The segment as it is stored now: redaction may have taken words out since."""
    row = connection.execute(select(segments).where(segments.c.id == key)).mappings().first()
    found: dict[str, Any] = {"segment_id": f"{channel_of(key)}-{key & _NUMBER_MASK}"}
    if row is None:
        return found
    found |= {"role": row["role"], "start_ms": to_ms(row["start"]), "end_ms": to_ms(row["end"])}
    if kind is EventKind.KEYWORD_HEARD:
        found["keywords"] = list(row["keywords_found"])
    if kind in (EventKind.CALL_FINAL, EventKind.CALL_REVISED):
        found |= {"text": row["text"], "language": row["language"]}
        found |= {"keywords": list(row["keywords_found"]), "flags": list(row["flags"])}
    return found
