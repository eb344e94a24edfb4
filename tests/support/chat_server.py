"""A server that speaks the chat protocol, and misbehaves on request."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from transcripts.analysis.template import Schema


@dataclass(frozen=True, slots=True)
class Raw:
    """An HTTP answer as it is."""

    status: str = "200 OK"
    body: str = "{}"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """An answer of the model with this content; empty: one that fits the schema."""

    text: str = ""
    finish_reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Never:
    """No answer."""


Behaviour = Raw | Content | Never


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def system(self) -> str:
        """The system message."""
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        """The user message."""
        return str(self.body["messages"][1]["content"])


@dataclass(slots=True)
class ChatServer:
    """What was asked.  `answers` are given in turn, then valid ones."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: list[Behaviour] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Value of `chat_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def until(self, count: int) -> list[Asked]:
        """Wait for `count` requests."""
        async with asyncio.timeout(120):
            while len(self.asked) < count:
                self._news.clear()
                await self._news.wait()
        return self.asked

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        try:
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
        except asyncio.IncompleteReadError:  # the client has waited long enough
            writer.close()
            return
        one = Asked(lines[0].split(" ")[1], headers, body)
        self.asked.append(one)
        self._news.set()
        behaviour = self.answers.pop(0) if self.answers else Content()
        if isinstance(behaviour, Never):
            await reader.read()
        else:
            writer.write(_written(behaviour, one))
            await writer.drain()
        writer.close()


@asynccontextmanager
async def chat_server(*answers: Behaviour) -> AsyncIterator[ChatServer]:
    """Serve on a free port while the context is active."""
    chat = ChatServer(answers=list(answers))
    server = await asyncio.start_server(chat.serve, "127.0.0.1", 0, limit=1 << 22)
    async with server:
        chat.port = server.sockets[0].getsockname()[1]
        yield chat


def fitting(schema: Schema) -> Any:
    """Return a value that fits a schema of a template."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    match kind:
        case "object":
            return {name: fitting(one) for name, one in schema["properties"].items()}
        case "array":
            return [fitting(schema["items"])]
        case "boolean":
            return True
        case "number":
            return 7
        case _:
            return "they talked about an invoice"


def _written(behaviour: Raw | Content, asked: Asked) -> bytes:
    if isinstance(behaviour, Content):
        behaviour = Raw(body=_completion(behaviour, asked))
    body = behaviour.body.encode()
    headers = {"content-length": str(len(body)), **behaviour.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {behaviour.status}\r\n{head}\r\n".encode() + body


def _completion(said: Content, asked: Asked) -> str:
    schema = asked.body.get("response_format", {}).get("json_schema", {}).get("schema")
    text = said.text or json.dumps(fitting(schema))
    choice = {"index": 0, "finish_reason": said.finish_reason}
    choice["message"] = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    model = asked.body["model"] + "-0001"
    return json.dumps(
        {"object": "chat.completion", "model": model, "choices": [choice], "usage": usage}
    )
