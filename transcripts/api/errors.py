"""Errors of the API: who must act, in a form that programs can read."""

from typing import Any

from starlette.responses import JSONResponse, Response


class ApiError(Exception):
    """A request cannot be answered.  `status`: HTTP status; `code`: for programs; the text is for people."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


NO_CALL = ApiError(404, "no_such_call", "no such call")


def error_response(status: int, code: str, text: str) -> Response:
    """Return the response of an error: `{"error": {"code": ..., "message": ...}}`."""
    body: dict[str, Any] = {"error": {"code": code, "message": text.strip()}}
    retry = {"Retry-After": "1"} if status == 503 else {}
    return JSONResponse(body, status, retry)
