"""Routes of stored calls: list, read, export, change, delete."""

import asyncio
from dataclasses import dataclass, replace
from functools import partial

from redis.asyncio import Redis
from starlette.requests import Request
from starlette.responses import Response

from broker.erasure import erase_call, is_in_progress
from broker.http.middleware import permit_of
from broker.redis_keys import CallKeys
from protocol.auth.credentials import Permit, Scope
from protocol.tenants import bare

from ...database.audit_log import AuditLine
from ...formats.export import FORMS, export
from ...kept_audio.reading import remove_files
from ...search.listing import MOST_CALLS, Order, Status
from ...store import LegalHoldError, Store
from ...text_forms import WordsForm, in_form
from ...transcript import Changes, Transcript
from ..messages.bodies import CallDetail, CallsBody, ChangeBody, StatusBody, detail_body, list_body
from ..messages.errors import NO_CALL, ApiError
from ..messages.parameters import read_list, single, words_form
from ..messages.responses import json_response
from ..operations import Answer, Operation, Parameter, read_json
from ..threads import StoreThreads

CALL = "/v1/calls/{call_id}"

_MEDIA = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "ctm": "text/plain; charset=utf-8",
    "stm": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
}
assert set(_MEDIA) == set(FORMS)


@dataclass(frozen=True, slots=True)
class CallRoutes:
    """Handlers of stored calls."""

    store: StoreThreads
    redis: Redis
    partitions: int
    audio_folder: str = ""
    """Folder of kept audio; empty if there is none."""

    async def list_calls(self, request: Request) -> Response:
        """Return a page of the calls of the tenant."""
        permit = permit_of(request)
        only = None if permit.call_id is None else permit.filed(permit.call_id)
        asked = read_list(request.query_params.multi_items(), permit.tenant, only)
        page = await self.store.run(
            lambda store: store.page(asked.filters, asked.limit, asked.cursor)
        )
        if asked.filters.query is not None:
            await self.store.run(_audit(permit, "search", ""))
        return json_response(list_body(page))

    async def read_call(self, request: Request) -> Response:
        """Return the report of a call."""
        single(request.query_params.multi_items(), ())
        return await self._detail(await self._read(request, "read"))

    async def read_status(self, request: Request) -> Response:
        """Return whether a call goes on, without reading it."""
        single(request.query_params.multi_items(), ())
        call_id = _filed(request)
        reason = await self.store.run(lambda store: store.ended_reason(call_id))
        if reason is None:
            raise NO_CALL
        status = Status.ENDED if reason else Status.LIVE
        return json_response(StatusBody(request.path_params["call_id"], status))

    async def read_transcript(self, form: str, request: Request) -> Response:
        """Return the transcript of a call as a file."""
        words = words_form(request.query_params.multi_items())
        transcript = await self._read(request, f"export {form}")
        content = await self.store.run(lambda _: export(in_form(_bared(transcript), words), form))
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        return Response(content, 200, headers, _MEDIA[form])

    async def change_call(self, request: Request) -> Response:
        """Change what the site adds to a call."""
        permit, call_id = permit_of(request), _filed(request)
        body = await read_json(request, ChangeBody)
        if body.legal_hold is not None and not permit.allows(Scope.ADMIN):
            raise ApiError(403, "forbidden", "legal_hold takes a key with the scope admin")
        tags = None if body.tags is None else tuple(body.tags)
        changes = Changes(body.agent, body.notes, tags, body.legal_hold)
        if not await self.store.run(lambda store: store.describe(call_id, changes)):
            raise NO_CALL
        return await self._detail(await self._read(request, "change"))

    async def delete_call(self, request: Request) -> Response:
        """Delete a call from the store and from Redis."""
        permit, call_id = permit_of(request), _filed(request)
        single(request.query_params.multi_items(), ())
        transcript = await self.store.run(lambda store: store.whole(call_id))
        if transcript is None:
            raise NO_CALL
        keys = CallKeys.of(call_id, self.partitions)
        if await is_in_progress(self.redis, keys):
            raise ApiError(409, "call_in_progress", "this call is in progress: end it first")
        line = _line(permit, "delete", call_id)
        files = await self.store.run(lambda store: store.audio_files(call_id))
        try:
            await self.store.run(lambda store: store.delete(call_id, line))
        except LegalHoldError as exc:
            text = "this call is under legal hold: it must not be deleted"
            raise ApiError(409, "legal_hold", text) from exc
        await asyncio.to_thread(remove_files, self.audio_folder, files)
        await erase_call(self.redis, keys, {one.segment for one in transcript.segments})
        return Response(status_code=204)

    async def _detail(self, transcript: Transcript) -> Response:
        """Return the report of a call.  Of a long one it takes more than the event loop may be held up."""
        call_id = transcript.call.call_id
        return await self.store.run(
            lambda store: json_response(detail_body(transcript, store.analyses.of_call(call_id)))
        )

    async def _read(self, request: Request, action: str) -> Transcript:
        """Return a call of the tenant, and write a line of the audit log.  Raises ApiError."""
        permit, call_id = permit_of(request), _filed(request)
        transcript = await self.store.run(lambda store: store.whole(call_id))
        if transcript is None:
            raise NO_CALL
        await self.store.run(_audit(permit, action, call_id))
        return transcript

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        exports = [
            Operation(
                "GET",
                f"{CALL}/transcript.{form}",
                Scope.READ,
                partial(self.read_transcript, form),
                f"transcript_{form}",
                f"The transcript as {form}, with all streams of the call",
                {200: Answer("the transcript", media=(_MEDIA[form].partition(";")[0],))},
                (_WORDS,),
                errors=(400, 404),
            )
            for form in FORMS
        ]
        return [
            Operation(
                "GET",
                "/v1/calls",
                Scope.READ,
                self.list_calls,
                "list_calls",
                "List and search calls",
                {200: Answer("a page of calls", CallsBody)},
                _LIST_PARAMETERS,
                errors=(400,),
                details="With `q`, each call has its first hits.  A page of a search may contain fewer calls"
                " than `limit` and still have a `next_cursor`.",
            ),
            Operation(
                "GET",
                CALL,
                Scope.READ,
                self.read_call,
                "read_call",
                "A call with its report",
                {200: Answer("the call", CallDetail)},
                errors=(400, 404),
            ),
            Operation(
                "GET",
                f"{CALL}/status",
                Scope.READ,
                self.read_status,
                "read_status",
                "Whether a call goes on; costs less than the whole call",
                {200: Answer("the status", StatusBody)},
                errors=(400, 404),
            ),
            *exports,
            Operation(
                "PATCH",
                CALL,
                Scope.INGEST,
                self.change_call,
                "change_call",
                "Change agent, notes, tags or legal hold",
                {200: Answer("the call", CallDetail)},
                body=ChangeBody,
                errors=(400, 404, 408, 413, 422),
            ),
            Operation(
                "DELETE",
                CALL,
                Scope.ADMIN,
                self.delete_call,
                "delete_call",
                "Delete a call with everything that is kept of it",
                {204: Answer("it is deleted")},
                errors=(400, 404, 409),
            ),
        ]


def _filed(request: Request) -> str:
    return permit_of(request).filed(request.path_params["call_id"])


def _line(permit: Permit, action: str, call_id: str) -> AuditLine:
    return AuditLine(permit.name, permit.tenant, action, call_id)


def _audit(permit: Permit, action: str, call_id: str) -> "partial[None]":
    return partial(_write_line, _line(permit, action, call_id))


def _write_line(line: AuditLine, store: Store) -> None:
    store.audit(line)


def _bared(transcript: Transcript) -> Transcript:
    """Return the transcript with the call id that the tenant knows."""
    return replace(transcript, call=replace(transcript.call, call_id=bare(transcript.call.call_id)))


_WORDS = Parameter(
    "words",
    "as the call was configured, as they were said, or with numbers as people write them",
    {"type": "string", "enum": list(WordsForm)},
)

_TIME: dict[str, object] = {"type": "string", "examples": ["2026-11-28T09:00:00Z", "1780000000"]}

_LIST_PARAMETERS = (
    Parameter("q", 'words, `"a phrase"`, `begin*`: one segment must contain all of them'),
    Parameter("from", "calls that started at this time or later", _TIME),
    Parameter("to", "calls that started before this time", _TIME),
    Parameter("status", "live or ended", {"type": "string", "enum": list(Status)}),
    Parameter(
        "role",
        "calls with such a channel; with `q`, only its words are searched",
        {"type": "string", "enum": ["agent", "customer", "mixed"]},
    ),
    Parameter("keyword", "calls in which this keyword was found"),
    Parameter("language", "ISO 639 code of the spoken language"),
    Parameter("tag", "calls with this tag"),
    Parameter("dialect", "calls of this kind of bridge"),
    Parameter("agent", "calls of this agent"),
    Parameter("metadata", "`NAME=VALUE`: calls about which the bridge has said this"),
    Parameter("min_duration", "least duration in seconds", {"type": "number", "minimum": 0}),
    Parameter(
        "order",
        "of the list; a search knows newest and oldest",
        {"type": "string", "enum": list(Order)},
    ),
    Parameter(
        "limit", "most calls on a page", {"type": "integer", "minimum": 1, "maximum": MOST_CALLS}
    ),
    Parameter("cursor", "`next_cursor` of the page before"),
)
