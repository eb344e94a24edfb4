"""Responses of the API."""

from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response


def error_response(status: int, code: str, text: str) -> Response:
    """Return the response of an error: `{"error": {"code": ..., "message": ...}}`."""
    body: dict[str, Any] = {"error": {"code": code, "message": text.strip()}}
    retry = {"Retry-After": "1"} if status == 503 else {}
    return JSONResponse(body, status, retry)


def json_response(body: object, status: int = 200) -> Response:
    """Return a response of JSON."""
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return Response(msgspec.json.encode(body), status, headers)
