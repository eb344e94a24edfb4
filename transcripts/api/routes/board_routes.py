"""Route of all calls in progress: a snapshot, or an event stream of changes."""

from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp

from broker.http.middleware import permit_of
from protocol.auth.credentials import Scope

from ...database.audit_log import AuditLine
from ...live.rows import LiveCallBody
from ...live.view_stream import ViewStreams
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation, Parameter
from ..threads import StoreThreads

_SSE = "text/event-stream"


class LiveCallsBody(msgspec.Struct):
    """
    Calls in progress: one message of the stream, or the whole response without it.

    `n` counts messages without holes.  `snapshot`: `calls` has all calls, so forget what you knew; otherwise those
    that have changed.  `gone`: ids of calls that are over.
    """

    n: int
    snapshot: bool
    calls: list[LiveCallBody]
    gone: list[str]


@dataclass(frozen=True, slots=True)
class BoardRoutes:
    """Handler of the supervisor's view."""

    streams: ViewStreams
    store: StoreThreads

    async def read_live(self, request: Request) -> ASGIApp:
        """Return the calls in progress, or their event stream if the client accepts it."""
        single(request.query_params.multi_items(), ())
        permit = permit_of(request)
        only = None if permit.call_id is None else permit.filed(permit.call_id)
        line = AuditLine(permit.name, permit.tenant, "read live calls", only or "")
        await self.store.run(lambda store: store.audit(line))
        if _SSE in request.headers.get("accept", ""):
            return self.streams.stream(permit.tenant, only)
        return json_response(await self.streams.snapshot(permit.tenant, only))

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        return [
            Operation(
                "GET",
                "/v1/live",
                Scope.READ,
                self.read_live,
                "read_live",
                "All calls in progress, in one event stream",
                {200: Answer("the calls", LiveCallsBody, media=(_SSE,))},
                (
                    Parameter(
                        "Last-Event-ID",
                        "accepted and not needed: a stream begins with a snapshot",
                        {"type": "string"},
                        "header",
                    ),
                ),
                errors=(400,),
                listens=True,
                details="With `Accept: text/event-stream` the response is a stream of server-sent events with the"
                " name `calls`, each a body of this type.  It begins with a snapshot.  Changes are sent"
                " at most four times a second.",
            )
        ]
