"""Routes of what a language model has answered about a call."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from broker.http.middleware import permit_of
from protocol.auth.credentials import Scope

from ...analysis.values import Analysis
from ...database.audit_log import AuditLine
from ...store import Store
from ..messages.analysis_bodies import AnalysisBody, analysis_body
from ..messages.errors import NO_CALL, ApiError
from ..messages.parameters import single
from ..messages.responses import json_response
from ..operations import Answer, Operation
from ..threads import StoreThreads
from .call_routes import CALL

_NONE = ApiError(404, "no_analysis", "this call was not analysed")


@dataclass(frozen=True, slots=True)
class AnalysisRoutes:
    """Handlers of analyses."""

    store: StoreThreads

    async def read_analysis(self, request: Request) -> Response:
        """Return the analysis of a call."""
        return json_response(analysis_body(await self._found(request, "read analysis")))

    async def analyse_again(self, request: Request) -> Response:
        """Have a call analysed, again if it was already."""
        call_id = _filed(request)
        single(request.query_params.multi_items(), ())
        if await self.store.run(lambda store: store.analyses.ask_again(call_id)):
            return json_response(analysis_body(await self._found(request, "analyse")), 202)
        if await self.store.run(lambda store: store.transcript(call_id)) is None:
            raise NO_CALL
        raise ApiError(409, "call_in_progress", "this call has not ended")

    async def _found(self, request: Request, action: str) -> Analysis:
        """Return an analysis, and write a line of the audit log.  Raises ApiError."""
        permit, call_id = permit_of(request), _filed(request)
        single(request.query_params.multi_items(), ())
        line = AuditLine(permit.name, permit.tenant, action, call_id)

        def read(store: Store) -> Analysis:
            found = store.analyses.of_call(call_id)
            if found is None:
                raise NO_CALL if store.transcript(call_id) is None else _NONE
            store.audit(line)
            return found

        return await self.store.run(read)

    def operations(self) -> list[Operation]:
        """The operations with their descriptions."""
        path = f"{CALL}/analysis"
        return [
            Operation(
                "GET",
                path,
                Scope.READ,
                self.read_analysis,
                "read_analysis",
                "What a language model has answered about a call",
                {200: Answer("the analysis", AnalysisBody)},
                errors=(400, 404),
            ),
            Operation(
                "POST",
                path,
                Scope.INGEST,
                self.analyse_again,
                "analyse_again",
                "Have a call analysed, again if it was already",
                {202: Answer("the analysis, which waits", AnalysisBody)},
                errors=(400, 404, 409),
                details="An analyser must be running.  The result before is kept until there is another.",
            ),
        ]


def _filed(request: Request) -> str:
    return permit_of(request).filed(request.path_params["call_id"])
