"""
A client of the chat protocol that most servers of language models speak.

https://platform.openai.com/docs/api-reference/chat/create.  Servers differ in what they take: the client begins
with a JSON schema for the answer, and goes on to simpler requests if the server refuses that (400 or 422).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from broker.outgoing.http_client import HttpAnswer, OutgoingHttp, RequestLimits, SendError
from protocol.outgoing.destinations import Destinations, read_networks
from protocol.outgoing.retry_after import asked_pause

from .answer import AnswerError, read_answer
from .prompt import ModelRequest
from .template import Schema
from .values import ModelServer

_LONGEST_ANSWER = 1_048_576
"""Bytes."""

_OURS = read_networks(
    ("127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""The operator names the server: it may be on the site's own network, where http will do.  Elsewhere, https."""


class ModelError(Exception):
    """
    No usable answer.  The text is for the operator, without content of the call.

    `pause`: seconds that the server wants to be left alone.
    """

    def __init__(self, text: str, pause: float = 0.0) -> None:
        super().__init__(text)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A valid answer, and what it took."""

    answer: dict[str, Any]
    model: str
    prompt_tokens: int
    answer_tokens: int
    elapsed_ms: int


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Body(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class _Form:
    """A form of request: how the answer is bound, and the name of the limit of its length."""

    response: str
    limit: str = "max_tokens"
    has_temperature: bool = True


_FORMS = (
    _Form("json_schema"),
    _Form("json_schema", "max_completion_tokens", has_temperature=False),
    _Form("json_object"),
    _Form(""),
)


class ModelClient:
    """Asks one server."""

    def __init__(self, server: ModelServer, now: Callable[[], float] = time.monotonic) -> None:
        """`now`: any clock, in seconds."""
        limits = RequestLimits(server.seconds, _LONGEST_ANSWER)
        self._http = OutgoingHttp(Destinations(_OURS), limits)
        self._server = server
        self._now = now
        self._form = 0

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Return the model's answer to a request.  Raises ModelError."""
        began = self._now()
        answer = await self._accepted(request)
        return _reply(
            answer, request.schema, self._server.model, int(1_000 * (self._now() - began))
        )

    async def _accepted(self, request: ModelRequest) -> HttpAnswer:
        """Return the answer to the first form of request that the server takes, and remember the form."""
        for place in range(self._form, len(_FORMS)):
            answer = await self._sent(request, _FORMS[place])
            if answer.status not in (400, 422):
                self._form = place if answer.status == 200 else self._form
                break
        if answer.status != 200:
            raise ModelError(_refusal(answer.status), asked_pause(answer.headers, time.time()))
        return answer

    async def _sent(self, request: ModelRequest, form: _Form) -> HttpAnswer:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._server.key:
            headers["authorization"] = f"Bearer {self._server.key}"
        body = msgspec.json.encode(_body(self._server, request, form))
        url = f"{self._server.url.rstrip('/')}/chat/completions"
        try:
            return await self._http.exchange(url, headers, body)
        except SendError as exc:
            raise ModelError(str(exc)) from exc


def _body(server: ModelServer, request: ModelRequest, form: _Form) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": server.model,
        "messages": [
            {"role": "system", "content": request.system},
            {"role": "user", "content": request.user},
        ],
        form.limit: server.longest_tokens,
    }
    if form.has_temperature:
        body["temperature"] = 0
    if form.response:
        body["response_format"] = _response_format(form.response, request.schema)
    return body


def _response_format(kind: str, schema: Schema) -> dict[str, Any]:
    if kind == "json_schema":
        return {"type": kind, kind: {"name": "answer", "strict": True, "schema": schema}}
    return {"type": kind}


def _reply(answer: HttpAnswer, schema: Schema, model: str, elapsed_ms: int) -> ModelReply:
    try:
        body = msgspec.json.decode(answer.body, type=_Body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise ModelError("the server does not speak the chat protocol: check chat_url") from exc
    if not body.choices or not body.choices[0].message.content:
        raise ModelError("the model has answered nothing")
    first, usage = body.choices[0], body.usage or _Usage()
    if first.finish_reason == "length":
        raise ModelError("the answer was cut off: raise answer_tokens")
    try:
        found = read_answer(first.message.content or "", schema)
    except AnswerError as exc:
        raise ModelError(str(exc)) from exc
    named = (body.model or model)[:200]
    return ModelReply(found, named, usage.prompt_tokens, usage.completion_tokens, elapsed_ms)


def _refusal(status: int) -> str:
    match status:
        case 401 | 403:
            return f"the server refuses the key ({status}): check chat_key"
        case 404:
            return "the server knows no such path or model (404): check chat_url and chat_model"
        case 429:
            return "the server wants fewer requests (429)"
        case _ if 300 <= status < 400:
            return f"the server redirects ({status}): set chat_url to the right address"
        case _:
            return f"the server answers with the status {status}"
