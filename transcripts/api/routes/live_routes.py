"""Routes that act on a call in progress: keywords, pause, resume; and the keywords of a stored call."""

from dataclasses import dataclass

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from broker.call_commands import send_command
from broker.erasure import is_in_progress
from broker.http.middleware import permit_of
from broker.redis_keys import CallKeys
from protocol.auth.credentials import Scope
from protocol.calls.call_commands import (
    Command,
    CommandError,
    Pause,
    ReadLevels,
    Reply,
    Resume,
    SetKeywords,
)

from ...database.audit_log import AuditLine
from ..messages.bodies import LevelsBody, PausedBody, levels_body
from ..messages.errors import NO_CALL, ApiError
from ..messages.keyword_bodies import KeywordListBody, KeywordsBody, NewKeywords, keywords_body
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation, read_json
from ..threads import StoreThreads
from .call_routes import CALL

_REPLY_SECONDS = 3.0
"""How long a gateway may take to reply."""


@dataclass(frozen=True, slots=True)
class LiveRoutes:
    """Handlers that reach the gateway of a call through Redis."""

    store: StoreThreads
    redis: Redis
    partitions: int

    async def read_keywords(self, request: Request) -> Response:
        """Return the keyword lists of a call, and what was found."""
        single(request.query_params.multi_items(), ())
        call_id = _filed(request)
        transcript = await self.store.run(lambda store: store.whole(call_id))
        if transcript is None:
            raise NO_CALL
        await self._audit(request, "read keywords")
        return json_response(keywords_body(transcript))

    async def replace_keywords(self, request: Request) -> Response:
        """Replace the keyword list of a call in progress."""
        body = await read_json(request, NewKeywords)
        reply = await self._command(request, SetKeywords(tuple(body.keywords)), "change keywords")
        return json_response(
            KeywordListBody(reply.revision, list(reply.accepted), list(reply.rejected))
        )

    async def pause(self, request: Request) -> Response:
        """Leave out the audio of a call from now on."""
        single(request.query_params.multi_items(), ())
        return json_response(PausedBody((await self._command(request, Pause(), "pause")).paused))

    async def resume(self, request: Request) -> Response:
        """Process the audio of a call again."""
        single(request.query_params.multi_items(), ())
        return json_response(PausedBody((await self._command(request, Resume(), "resume")).paused))

    async def read_levels(self, request: Request) -> Response:
        """Return how much audio each channel of a call in progress has received, and how loud it is."""
        single(request.query_params.multi_items(), ())
        return json_response(levels_body(await self._command(request, ReadLevels())))

    async def _command(self, request: Request, command: Command, action: str = "") -> Reply:
        """Have the gateway of the call perform a command.  `action`: for the audit log, unless empty."""
        keys = CallKeys.of(_filed(request), self.partitions)
        if not await is_in_progress(self.redis, keys):
            raise await self._not_in_progress(keys.call_id)
        if action:
            await self._audit(request, action)
        try:
            reply = await send_command(self.redis, keys, command, _REPLY_SECONDS)
        except CommandError as exc:
            raise ApiError(503, "no_reply", str(exc)) from exc
        if reply is None:
            if not await is_in_progress(self.redis, keys):  # it has ended meanwhile
                raise await self._not_in_progress(keys.call_id)
            text = "the gateway of this call does not answer now; try again"
            raise ApiError(503, "no_reply", text)
        if reply.refused:
            raise ApiError(409, "refused", reply.refused)
        return reply

    async def _not_in_progress(self, call_id: str) -> ApiError:
        if await self.store.run(lambda store: store.transcript(call_id)) is None:
            return NO_CALL
        return ApiError(409, "call_ended", "this call is not in progress")

    async def _audit(self, request: Request, action: str) -> None:
        permit = permit_of(request)
        line = AuditLine(permit.name, permit.tenant, action, _filed(request))
        await self.store.run(lambda store: store.audit(line))

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        keywords = f"{CALL}/keywords"
        return [
            Operation(
                "GET",
                keywords,
                Scope.READ,
                self.read_keywords,
                "read_keywords",
                "The keyword lists of a call, and which keywords were found",
                {200: Answer("the report", KeywordsBody)},
                errors=(400, 404),
            ),
            Operation(
                "PUT",
                keywords,
                Scope.INGEST,
                self.replace_keywords,
                "replace_keywords",
                "Replace the keyword list of a call in progress",
                {200: Answer("the list that its gateway now uses", KeywordListBody)},
                body=NewKeywords,
                errors=(400, 404, 408, 409, 413, 422),
            ),
            Operation(
                "GET",
                f"{CALL}/levels",
                Scope.READ,
                self.read_levels,
                "read_levels",
                "How loud the audio of a call in progress is, on each channel",
                {200: Answer("the levels", LevelsBody)},
                errors=(400, 404, 409),
            ),
            *(
                Operation(
                    "POST",
                    f"{CALL}/{name}",
                    Scope.INGEST,
                    handler,
                    f"{name}_call",
                    summary,
                    {200: Answer("the state of the call", PausedBody)},
                    errors=(400, 404, 409),
                )
                for name, handler, summary in (
                    (
                        "pause",
                        self.pause,
                        "Leave out the audio of a call: nothing of it is processed",
                    ),
                    ("resume", self.resume, "Process the audio of a paused call again"),
                )
            ),
        ]


def _filed(request: Request) -> str:
    return permit_of(request).filed(request.path_params["call_id"])
