"""Choose, fetch, step, settle: the way of a job from the hand through the engine."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from protocol.clock import ENGINE_RATE
from protocol.events import Timing

from .engine_adapter import Answer, EngineAdapter
from .engines.base import Effort, Hypothesis
from .inflight import InflightJobs
from .job_io import JobIO, PreparedJob
from .job_queue import Claimed
from .metrics import WorkerMeter
from .throughput import Throughput

BACK_OFF = 0.5
"""Seconds before Redis is tried again."""

log = structlog.get_logger()

_Turn = tuple[list[int], list[tuple[int, Answer]]]
"""Tickets of who was admitted, and who is finished."""


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A job that the engine has; when it was admitted, by the wall clock and by a steady one."""

    ready: PreparedJob
    at: float
    began: float


class EngineExecutor:
    """
    Feeds one engine from the hand and settles what it answers, each as soon as it is there.

    Audio is fetched and results are settled while the engine is at its next step.
    """

    def __init__(
        self,
        inflight: InflightJobs,
        adapter: EngineAdapter,
        job_io: JobIO,
        now: Callable[[], float] = time.time,
        meter: WorkerMeter | None = None,
    ) -> None:
        self._inflight = inflight
        self._adapter = adapter
        self._job_io = job_io
        self._now = now
        self._meter = meter or WorkerMeter()
        self._ready: list[PreparedJob] = []
        self._admitted: dict[int, _Admitted] = {}
        self._finishing = False
        self._may_step = asyncio.Event()
        self._step_began: float | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self.pace = Throughput()
        """What the engine got done lately."""

        self.steps = 0
        """How many steps the engine has done."""

    @property
    def at_step_for(self) -> float | None:
        """Seconds that the engine has been at its present step; None between two."""
        began = self._step_began
        return None if began is None else time.monotonic() - began

    async def run(self) -> None:
        """Work until cancelled, or until `finish` and all that the engine has is settled."""
        try:
            async with asyncio.TaskGroup() as settling:
                fetching = settling.create_task(self._fetch())
                await self._recognise(settling)
                fetching.cancel()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def finish(self) -> None:
        """Give the engine nothing new from now on; who was ready for it waits again."""
        self._finishing = True
        self._inflight.put_back([one.claimed for one in self._ready])
        self._ready = []
        self._may_step.set()

    async def _fetch(self) -> None:
        """Choose who runs next, and get their audio."""
        while True:
            await self._inflight.has_news.wait()
            chosen = self._inflight.choose(self._now())
            try:
                await self._job_io.drop(chosen.stale)
                ready = await self._job_io.fetch(chosen.run)
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", error=type(exc).__name__)
                await asyncio.sleep(BACK_OFF)
                self._inflight.put_back(chosen.run)
            else:
                self._take(chosen.run, ready)

    def _take(self, fetched: Sequence[Claimed], ready: Sequence[PreparedJob]) -> None:
        """What was fetched is ready for the engine, or was settled on the way."""
        if not fetched:
            return
        kept = {one.claimed.key for one in ready}
        for one in fetched:
            if one.key not in kept:
                self._inflight.finish(one)
        if self._finishing:
            self._inflight.put_back([one.claimed for one in ready])
        else:
            self._ready += ready
            self._may_step.set()

    async def _recognise(self, settling: asyncio.TaskGroup) -> None:
        while not (self._finishing and not self._admitted):
            if self._admitted or self._ready:
                for answered, answer in await self._step():
                    settling.create_task(self._settle(answered, answer))
            else:
                self._may_step.clear()
                await self._may_step.wait()

    async def _step(self) -> list[tuple[_Admitted, Answer]]:
        """Admit who is ready, let the engine get on; who is finished."""
        newcomers, self._ready = self._ready, []
        at, began = self._now(), time.monotonic()
        self._step_began = began
        loop = asyncio.get_running_loop()
        tickets, answers = await loop.run_in_executor(self._thread, self._turn, newcomers)
        self._step_began = None
        self.steps += 1
        for ticket, newcomer in zip(tickets, newcomers, strict=True):
            self._admitted[ticket] = _Admitted(newcomer, at, began)
        finished = [(self._admitted.pop(ticket), answer) for ticket, answer in answers]
        speech, seconds = sum(map(_speech, finished)), time.monotonic() - began
        self.pace = self.pace.observe(speech, seconds)
        self._meter.stepped(len(self._admitted) + len(finished), speech, seconds)
        for one, _ in finished:
            self._inflight.answer(one.ready.claimed)
        return finished

    def _turn(self, newcomers: Sequence[PreparedJob]) -> _Turn:
        """In the engine's thread."""
        tickets = self._adapter.admit([one.utterance for one in newcomers]) if newcomers else []
        return tickets, self._adapter.step()

    async def _settle(self, one: _Admitted, answer: Answer) -> None:
        """Report an answer; a final is tried again until Redis takes it, a partial is not worth it."""
        job = one.ready.claimed.job
        waited_ms = max(0, round((one.at - job.queued_at) * 1_000))
        timing = Timing(waited_ms, round((time.monotonic() - one.began) * 1_000))
        self._meter.answered(one.ready.claimed.effort, timing)
        reported = False
        while not reported:
            try:
                await self._job_io.report(one.ready, answer, timing)
                reported = True
            except (RedisError, OSError) as exc:
                log.warning("redis_unavailable", error=type(exc).__name__)
                reported = one.ready.claimed.effort is Effort.PARTIAL
                await asyncio.sleep(BACK_OFF)
        self._inflight.finish(one.ready.claimed)


def _speech(finished: tuple[_Admitted, Answer]) -> float:
    """Seconds of speech that are done with: partials will be heard again."""
    one, answer = finished
    if one.ready.claimed.effort is Effort.PARTIAL or not isinstance(answer, Hypothesis):
        return 0.0
    return len(one.ready.utterance.samples) / ENGINE_RATE
