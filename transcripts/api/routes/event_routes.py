"""Routes of the events of a call: pages of JSON, and server-sent events; from Redis or from the store."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from broker.event_log.log_positions import read_log_status
from broker.http.event_stream import EventStreamEndpoint
from broker.http.middleware import permit_of
from broker.redis_keys import CallKeys, parse_entry_id
from protocol.auth.credentials import Scope
from protocol.calls.call import Role
from protocol.events import CallEnded, CallStarted, Entry
from protocol.events.event_codec import EventJsonWriter, decode_entry

from ...database.audit_log import AuditLine
from ...search.listing import Status
from ..messages.bodies import EventsBody
from ..messages.errors import NO_CALL
from ..messages.parameters import single, whole
from ..messages.responses import json_response
from ..operations import Answer, Operation, Parameter
from ..threads import StoreThreads
from .call_routes import CALL

_MOST = 1_000
_LONGEST_WAIT = 30
_SSE = "text/event-stream"
_LARGEST = 2**53


@dataclass(frozen=True, slots=True)
class _Logged:
    """Events of a call, where they were found."""

    entries: list[Entry]
    roles: tuple[Role, ...]
    has_ended: bool
    may_grow: bool = False
    """Whether the log is in Redis and has not ended."""


@dataclass(frozen=True, slots=True)
class EventRoutes:
    """Handlers of the events of a call."""

    store: StoreThreads
    redis: Redis
    partitions: int
    live: EventStreamEndpoint

    async def read_events(self, request: Request) -> ASGIApp:
        """Return events from `from_seq` on, or the event stream if the client accepts it."""
        if _SSE in request.headers.get("accept", ""):
            return await self._stream(request)
        said = single(request.query_params.multi_items(), ("from_seq", "limit", "wait"))
        first = whole(said, "from_seq", 1, 0, _LARGEST)
        limit = whole(said, "limit", _MOST, 1, _MOST)
        wait = whole(said, "wait", 0, 0, _LONGEST_WAIT)
        found = await self._logged(request, first, limit)
        if wait and found is not None and not found.entries and found.may_grow:
            keys = CallKeys.of(_filed(request), self.partitions)
            await self.live.wait_for_event(keys, max(0, first - 1), wait)
            found = await self._logged(request, first, limit)
        if found is None:
            raise NO_CALL
        call_id = request.path_params["call_id"]
        return await self.store.run(lambda _: json_response(_body(call_id, found, first)))

    async def _stream(self, request: Request) -> ASGIApp:
        """Stream from Redis while the log is there, also of a call that has not begun; else from the store."""
        call_id = _filed(request)
        keys = CallKeys.of(call_id, self.partitions)
        if not await self.redis.exists(keys.log):
            stored = await self.store.run(lambda store: store.events(call_id))
            if stored and isinstance(stored[-1].event, CallEnded):
                return self._stored_stream(request, stored)
        return await self.live.answer(request)

    def _stored_stream(self, request: Request, stored: list[Entry]) -> Response:
        seen = request.headers.get("last-event-id", "")
        after = int(seen) if seen.isascii() and seen.isdigit() and len(seen) <= 15 else 0
        if after >= (stored[-1].seq or 0):
            return Response(status_code=204)  # an EventSource does not reconnect after 204
        writer = EventJsonWriter(request.path_params["call_id"], _roles(stored))

        async def lines() -> AsyncIterator[str]:
            for entry in stored:
                if (entry.seq or 0) > after:
                    yield f"id: {entry.seq}\ndata: {writer.write(entry)}\n\n"

        return StreamingResponse(lines(), headers={"cache-control": "no-store"}, media_type=_SSE)

    async def _logged(self, request: Request, first: int, limit: int) -> _Logged | None:
        """Return at most `limit` events from seq `first` on; None if there is no such call."""
        permit, call_id = permit_of(request), _filed(request)
        keys = CallKeys.of(call_id, self.partitions)
        status = await read_log_status(self.redis, keys)
        line = AuditLine(permit.name, permit.tenant, "read events", call_id)
        if status.last:
            found: Any = await self.redis.xrange(keys.log, f"{first}-0", "+", count=limit)
            await self.store.run(lambda store: store.audit(line))
            entries = await self.store.run(lambda _: list(_readable(found)))
            ended = status.ended is not None
            return _Logged(entries, status.roles, ended, may_grow=not ended)
        stored = await self.store.run(lambda store: store.events(call_id))
        if stored is None:
            return None
        await self.store.run(lambda store: store.audit(line))
        wanted = [one for one in stored if (one.seq or 0) >= first][:limit]
        has_ended = bool(stored) and isinstance(stored[-1].event, CallEnded)
        return _Logged(wanted, _roles(stored), has_ended)

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        seq = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
        return [
            Operation(
                "GET",
                f"{CALL}/events",
                Scope.READ,
                self.read_events,
                "read_events",
                "The events of a call",
                {
                    200: Answer("events", EventsBody, media=(_SSE,)),
                    204: Answer("the client of the event stream has seen all events"),
                },
                (
                    Parameter("from_seq", "first event that is wanted", seq),
                    Parameter(
                        "limit",
                        "most events",
                        {"type": "integer", "minimum": 1, "maximum": _MOST},
                    ),
                    Parameter(
                        "wait",
                        "if there is no such event yet, seconds to wait for the next one; the response may"
                        " still have none",
                        {"type": "integer", "minimum": 0, "maximum": _LONGEST_WAIT},
                    ),
                    Parameter(
                        "Last-Event-ID",
                        "last `seq` that was seen, of the event stream",
                        seq,
                        "header",
                    ),
                ),
                errors=(400, 404),
                listens=True,
                details="With `Accept: text/event-stream` the response is a stream of server-sent events until"
                " the call ends, also for a call that has not begun yet.  Some minutes after the end"
                " of a call only stored events are available: no DTMF, no marks, no starts of speech.",
            )
        ]


def _body(call_id: str, found: _Logged, first: int) -> EventsBody:
    writer = EventJsonWriter(call_id, found.roles)
    events = [msgspec.json.decode(writer.write(entry)) for entry in found.entries]
    last = max((entry.seq or 0 for entry in found.entries), default=first - 1)
    status = Status.ENDED if found.has_ended else Status.LIVE
    return EventsBody(call_id, status, events, last + 1)


def _readable(found: Any) -> Iterator[Entry]:  # noqa: ANN401  # as redis-py leaves it
    """Yield the entries that this version can read; another version may have written others."""
    for name, fields in found:
        entry = decode_entry(parse_entry_id(name)[0], fields[b"e"])
        if isinstance(entry, Entry):
            yield entry


def _roles(entries: list[Entry]) -> tuple[Role, ...]:
    started = (one.event for one in entries if isinstance(one.event, CallStarted))
    return next((one.roles for one in started), ())


def _filed(request: Request) -> str:
    return permit_of(request).filed(request.path_params["call_id"])
