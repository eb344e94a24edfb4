"""HTTP requests to a server of vLLM, with retries.  Used from many threads."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx

from ..base import EngineBrokenError, EngineError
from .chat import (
    MOST_ANSWER_BYTES,
    ChatError,
    ChatReply,
    Failure,
    RequestRefused,
    Retry,
    Unusable,
    failure,
    pause,
    read,
)
from .settings import VllmSettings

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[R]):
    """An interface of the server, and the reader of its answers, which raises ChatError."""

    path: str
    read: Callable[[object], R]


CHAT: Endpoint[ChatReply] = Endpoint("chat/completions", read)


class ChatClient:
    """
    Sends requests, and sends them again while the server is busy, restarts or does not answer.

    An answer that arrives after the limit of its request is not read, so a request has one result at most.
    """

    def __init__(self, settings: VllmSettings) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        self._give_up, self._wanted = settings.give_up_seconds, settings.model
        self._timeout = settings.timeout_seconds
        self._closed = threading.Event()
        self._http = httpx.Client(
            base_url=settings.url.rstrip("/") + "/",
            headers={"Accept-Encoding": "identity"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx.Timeout(settings.timeout_seconds, pool=None),
            limits=httpx.Limits(max_connections=settings.max_batch),
            trust_env=False,  # a proxy of the shell is no way to a server of the site
            follow_redirects=False,
        )

    def close(self) -> None:
        """End all requests and their pauses."""
        self._closed.set()
        self._http.close()

    def model(self) -> str:
        """The name of the model to ask for.  Raises EngineError when the server does not serve it."""
        try:
            document = self._sent("GET", "models", None)
            names = [str(one["id"]) for one in document["data"]]
        except (httpx.HTTPError, ChatError, KeyError, TypeError, EngineBrokenError) as exc:
            raise EngineError(f"{self._http.base_url} is no usable server: {exc}") from exc
        if self._wanted is None and len(names) == 1:
            return names[0]
        if self._wanted in names:
            return self._wanted
        raise EngineError(
            f"vllm.model is {self._wanted!r}; {self._http.base_url} serves {', '.join(names) or 'none'}"
        )

    def ask(self, body: dict[str, Any], endpoint: Endpoint[R]) -> R:
        """
        Send one request.

        Raises EngineError when the server refuses it, and EngineBrokenError when it failed for too long or accepts
        no request of ours.
        """
        deadline, attempt = time.monotonic() + self._give_up, 0
        while True:
            outcome = self._attempt(body, endpoint, attempt)
            match outcome:
                case RequestRefused(reason):
                    raise EngineError(reason)
                case Unusable(reason):
                    raise EngineBrokenError(reason)
                case Retry(seconds, reason):
                    if time.monotonic() + seconds > deadline or self._closed.wait(seconds):
                        raise EngineBrokenError(f"no answer for {self._give_up:g} s: {reason}")
                case _:
                    return outcome
            attempt += 1

    def _attempt(self, body: dict[str, Any], endpoint: Endpoint[R], attempt: int) -> R | Failure:
        try:
            return endpoint.read(self._sent("POST", endpoint.path, body))
        except _StatusError as exc:
            return failure(exc.status, attempt, exc.retry_after)
        except (httpx.HTTPError, ChatError) as exc:
            return Retry(pause(attempt), type(exc).__name__)

    def _sent(self, method: str, path: str, body: dict[str, Any] | None) -> Any:  # noqa: ANN401 - any JSON
        """The JSON of an answer.  Raises httpx.HTTPError, ChatError, or _StatusError for a status of failure."""
        deadline = time.monotonic() + self._timeout
        with self._http.stream(method, path, json=body) as answer:
            if answer.status_code != httpx.codes.OK:
                raise _StatusError(answer.status_code, answer.headers.get("retry-after"))
            content = bytearray()
            for (
                chunk
            ) in answer.iter_raw():  # not decompressed: the limit holds for what is received
                content += chunk
                if len(content) > MOST_ANSWER_BYTES:
                    raise ChatError("an answer that is too long")
                if time.monotonic() > deadline:  # httpx limits the time between two chunks only
                    raise ChatError("an answer that takes too long")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as exc:
            raise ChatError("an answer that is no JSON") from exc


class _StatusError(ChatError):
    """An answer with a status of failure."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        super().__init__(f"status {status}")
        self.status, self.retry_after = status, retry_after
