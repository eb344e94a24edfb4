"""Decoding on a server: each row is one request, in a thread of its own."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from ...base import EngineError
from ...granite.text.decode import DecodeRow, Written
from ..client import ChatClient, Endpoint
from .completions import Completion, read, request, written

COMPLETIONS = Endpoint("completions", read)

_STEP_SECONDS = 0.02
"""Longest duration of a step without a finished text: partials and new segments join between two steps."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that the server refused."""

    ticket: int
    error: EngineError


class ServerDecoder:
    """
    The rows that a server decodes.  Used by one thread at a time, in the place of Granite's BatchDecoder.

    A row that the server refuses is not written; `take_refused` returns it.
    """

    def __init__(
        self, client: ChatClient, model: str, rows: int, end: frozenset[int], *, cut_loops: bool
    ) -> None:
        self._client, self._model, self._rows = client, model, rows
        self._end, self._cut_loops = end, cut_loops
        self._threads = ThreadPoolExecutor(rows, thread_name_prefix="completion")
        self._running: dict[Future[Written], DecodeRow] = {}
        self._refused: list[Refused] = []

    @property
    def running(self) -> int:
        """Number of rows that are being decoded."""
        return len(self._running)

    @property
    def free(self) -> int:
        """Number of rows that can join."""
        return self._rows - len(self._running)

    def admit(self, rows: Sequence[DecodeRow]) -> None:
        """Start to decode `rows` (at most `free`)."""
        self._running |= {self._threads.submit(self._decoded, row): row for row in rows}

    def step(self) -> list[Written]:
        """
        Return the texts that are finished; wait a little for the first one.

        Raises EngineBrokenError when the server failed for too long or accepts no request.
        """
        if not self._running:
            return []
        ready, _ = wait(self._running, _STEP_SECONDS, FIRST_COMPLETED)
        return [text for one in ready if (text := self._finished(one)) is not None]

    def take_refused(self) -> list[Refused]:
        """Return the rows that the server has refused since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def withdraw(self) -> list[tuple[DecodeRow, tuple[int, ...]]]:
        """Give up all running rows.  Returns them without tokens; what the server still answers is not read."""
        stopped = [(row, ()) for row in self._running.values()]
        for one in self._running:
            one.cancel()
        self._running.clear()
        return list(stopped)

    def close(self) -> None:
        """End all requests."""
        self._client.close()
        self._threads.shutdown(cancel_futures=True)

    def _decoded(self, row: DecodeRow) -> Written:
        """One text.  Runs in a thread of its own."""
        body = request(row, self._model, self._end)
        answer: Completion = self._client.ask(body, COMPLETIONS)
        if len(answer.tokens) > row.most:
            raise EngineError(
                f"the server writes more than the {row.most} tokens that it was asked for"
            )
        return written(row, answer, self._end, cut_loops=self._cut_loops)

    def _finished(self, one: Future[Written]) -> Written | None:
        row = self._running.pop(one)
        try:
            return one.result()
        except EngineError as exc:
            self._refused.append(Refused(row.ticket, exc))
            return None
