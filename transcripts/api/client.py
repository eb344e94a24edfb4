"""A client of the HTTP API, for the command line and for programs in Python.  All methods block."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from protocol.auth.web_access import is_loopback
from protocol.operator_error import OperatorError

from ..text_forms import WordsForm
from .messages.bodies import ErrorBody

_SECONDS = 60.0
"""Longest wait for an answer: the deletion of a call from a large SQLite store takes some time."""

_ADVICE = {
    401: "the key is missing or not valid: see --key",
    403: "the key does not permit this",
    429: "too many requests: try again later",
}


class ApiClientError(OperatorError):
    """The API did not do what it was asked for.  `code`: of its error, empty if there is none."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class ApiClient:
    """Requests to one API.  Answers are returned as they came: JSON in bytes, transcripts as text."""

    def __init__(self, url: str, key: str = "") -> None:
        """`url`: such as `https://trunkline.example.com`.  Raises ApiClientError if it is no URL of HTTP."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ApiClientError(f"{url}: not a URL of HTTP such as http://127.0.0.1:8083")
        self._url = url
        self._http = httpx.Client(
            base_url=url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=_SECONDS,
            trust_env=not is_loopback(parts.hostname),  # a proxy does not reach this machine
        )

    def __enter__(self) -> Self:
        """Use the client as a context: it is closed at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.close()

    def calls(self, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return a page of calls; `parameters`: those of `GET /v1/calls`."""
        return self._ask("GET", "/v1/calls", params=list(parameters)).content

    def call(self, call_id: str) -> bytes:
        """Return a call with its report."""
        return self._ask("GET", call_path(call_id)).content

    def transcript(self, call_id: str, form: str, words: WordsForm = WordsForm.STORED) -> str:
        """Return the transcript of a call in a format of `export`."""
        asked = {} if words is WordsForm.STORED else {"words": words.value}
        return self._ask("GET", f"{call_path(call_id)}/transcript.{form}", params=asked).text

    def events(self, call_id: str, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return events of a call; `parameters`: those of `GET /v1/calls/{call_id}/events`."""
        return self._ask("GET", f"{call_path(call_id)}/events", params=list(parameters)).content

    def change(self, call_id: str, changes: object) -> bytes:
        """Change agent, notes, tags or legal hold (`ChangeBody`).  Returns the call with its report."""
        return self._ask("PATCH", call_path(call_id), content=msgspec.json.encode(changes)).content

    def delete(self, call_id: str) -> None:
        """Delete a call."""
        self._ask("DELETE", call_path(call_id))

    def webhooks(
        self,
        method: str,
        *names: str,
        parameters: Mapping[str, str] | None = None,
        body: object = None,
    ) -> bytes:
        """Send a request about webhooks.  `names`: parts of the path behind `/v1/webhooks`."""
        path = "/".join(["/v1/webhooks", *(quote(name, safe="") for name in names)])
        content = None if body is None else msgspec.json.encode(body)
        return self._ask(method, path, params=parameters, content=content).content

    def _ask(self, method: str, path: str, **what: Any) -> httpx.Response:  # noqa: ANN401  # as httpx has it
        with self._errors():
            answer = self._http.request(method, path, **what)
        if answer.is_success:
            return answer
        text, code = error_of(answer)
        raise ApiClientError(_ADVICE.get(answer.status_code, text), code)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as exc:
            text = f"cannot connect to {self._url}: start the API (`trunkline api`), or check --url"
            raise ApiClientError(text) from exc
        except httpx.HTTPError as exc:
            raise ApiClientError(f"{self._url} does not answer ({type(exc).__name__})") from exc


def call_path(call_id: str) -> str:
    """Return the path of a call."""
    return f"/v1/calls/{quote(call_id, safe='')}"


def error_of(answer: httpx.Response) -> tuple[str, str]:
    """Return text and code of an error that the API has answered with."""
    try:
        said = msgspec.json.decode(answer.content, type=ErrorBody).error
    except msgspec.MsgspecError:
        return f"the answer has the status {answer.status_code}: is this a Trunkline API?", ""
    return said.message, said.code
