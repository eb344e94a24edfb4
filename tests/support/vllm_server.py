"""
A server with the chat interface of vLLM, over real HTTP, for tests of the client.

It reads requests strictly.  Its transcript is the length of the audio and the keywords of the prompt, so a test sees
whether both arrived.  `faults` are played one for each chat request, in order.
"""

import base64
import io
import json
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

MODEL = "granite-speech"
Json = dict[str, Any]


@dataclass
class VllmServer:
    """The state of a running server."""

    url: str = ""
    models: tuple[str, ...] = (MODEL,)
    faults: list[Callable[["Exchange"], object]] = field(default_factory=list)
    says: Callable[[Json], str] = field(default_factory=lambda: transcript)
    completes: Callable[[Json], tuple[list[int], list[float]]] = field(
        default=lambda _: ([1], [0.0])
    )
    """Returns tokens and log-probabilities for a request with embeddings."""

    requests: list[Json] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Exchange(BaseHTTPRequestHandler):
    """One request and its answer."""

    state: VllmServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with the list of models."""
        self.answer({"object": "list", "data": [{"id": name} for name in self.state.models]})

    def do_POST(self) -> None:
        """Answer a chat request, or play the next fault."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state = self.state
        with state.lock:
            state.requests.append(body)
            state.busy += 1
            state.busiest = max(state.busiest, state.busy)
            fault = state.faults.pop(0) if state.faults else None
        try:
            if fault is None or (
                fault(self) is None and not self.wfile.closed and self.answered is False
            ):
                self.answer(
                    completed(*state.completes(body))
                    if self.path.endswith("/v1/completions")
                    else completion(state.says(body))
                )
        finally:
            with state.lock:
                state.busy -= 1

    answered = False

    def answer(self, document: object, status: int = 200, **headers: str) -> bool:
        """Send an answer.  Returns True."""
        raw = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answered = True
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(raw)
        return True


def status(code: int, **headers: str) -> Callable[[Exchange], object]:
    """A fault: an answer with this status."""
    return lambda exchange: exchange.answer({"error": {"message": "no"}}, code, **headers)


def body(content: object) -> Callable[[Exchange], object]:
    """A fault: an answer with another body."""
    return lambda exchange: exchange.answer(content)


def broken_off(exchange: Exchange) -> bool:
    """A fault: the connection ends in the middle of an answer."""
    exchange.answered = True
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    exchange.close_connection = True
    return True


def dripping(release: threading.Event) -> Callable[[Exchange], object]:
    """A fault: an answer that comes byte by byte, until `release`."""

    def fault(exchange: Exchange) -> bool:
        exchange.answered = True
        exchange.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not release.wait(0.02):
            try:
                exchange.wfile.write(b" ")
            except OSError:
                break
        exchange.close_connection = True
        return True

    return fault


def held(release: threading.Event) -> Callable[[Exchange], object]:
    """A fault: an answer that comes only after `release`, when nobody may wait for it any more."""

    def fault(exchange: Exchange) -> bool:
        release.wait()
        try:
            return exchange.answer(completion("too late"))
        except OSError:
            return True

    return fault


def completion(text: str, reason: str = "stop") -> Json:
    """The body of an answer in which each word is a token with its space."""
    tokens = [f" {word}" if number else word for number, word in enumerate(text.split())]
    scored = [{"token": one, "bytes": list(one.encode()), "logprob": -0.1} for one in tokens]
    message = {"role": "assistant", "content": text}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": reason,
        "logprobs": {"content": scored},
    }
    return {"id": "c", "object": "chat.completion", "choices": [choice]}


def completed(tokens: list[int], log_probs: list[float]) -> Json:
    """The body of an answer to a request with embeddings."""
    scored = {"tokens": ["?"] * len(tokens), "token_logprobs": log_probs}
    choice = {
        "index": 0,
        "text": "?",
        "token_ids": tokens,
        "logprobs": scored,
        "finish_reason": "stop",
    }
    return {"id": "c", "object": "text_completion", "choices": [choice]}


def parts(request: Json) -> tuple[str, "np.ndarray[Any, Any]"]:
    """Prompt and samples (int16) of a request.  Fails if it has another form than the interface."""
    (message,) = request["messages"]
    audio, text = message["content"]
    assert (message["role"], audio["type"], text["type"]) == ("user", "input_audio", "text")
    with wave.open(io.BytesIO(base64.b64decode(audio["input_audio"]["data"]))) as file:
        assert file.getparams()[:3] == (1, 2, 16_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return text["text"], samples


def transcript(request: Json) -> str:
    """The length of the audio in tenths of a second, and the keywords of the prompt."""
    prompt, samples = parts(request)
    _, _, keywords = prompt.partition("Keywords: ")
    return f"{round(len(samples) / 1_600)} tenths {keywords}".strip()


@contextmanager
def vllm_server() -> Iterator[VllmServer]:
    """Run a server while the context lasts."""
    state = VllmServer()
    handler = type("Bound", (Exchange,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
