"""The way of a claimed job through the engine: select, fetch the audio, step the engine, settle the result."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from protocol.clock import ENGINE_RATE
from protocol.events import Timing

from .engine_adapter import EngineAdapter, EngineResult
from .engines.base import Effort, Hypothesis
from .inflight import InflightJobs
from .job_io import JobIO, PreparedJob
from .job_queue import ClaimedJob
from .metrics import WorkerMeter
from .throughput import Throughput

BACK_OFF = 0.5
"""Seconds to wait after a Redis error before the next try."""

logger = structlog.get_logger()

_Turn = tuple[list[int], list[tuple[int, EngineResult]]]
"""Tickets of the utterances that were admitted, and the finished utterances with their outcomes."""


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A job that the engine has.  `at` and `began` are its time of admission: wall clock and monotonic clock."""

    ready: PreparedJob
    at: float
    began: float


class EngineExecutor:
    """
    Feeds one thread of an engine from `inflight` and settles each result as soon as it is known.

    Audio is fetched and results are settled while the engine runs its next step.
    """

    def __init__(
        self,
        inflight: InflightJobs,
        adapter: EngineAdapter,
        job_io: JobIO,
        now: Callable[[], float] = time.time,
        meter: WorkerMeter | None = None,
        *,
        thread: int = 0,
    ) -> None:
        """`thread`: number of the engine's thread, whose jobs it chooses."""
        self._inflight = inflight
        self._number = thread
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
        self.throughput = Throughput()
        """Recent throughput of the thread."""

        self.steps = 0
        """Number of steps that the thread has completed."""

    @property
    def at_step_for(self) -> float | None:
        """Return the seconds since the thread began its current step; None between two steps."""
        began = self._step_began
        return None if began is None else time.monotonic() - began

    async def run(self) -> None:
        """Run jobs until cancelled, or, after `finish`, until all jobs that the engine has begun are settled."""
        try:
            async with asyncio.TaskGroup() as settling:
                fetching = settling.create_task(self._fetch())
                await self._recognise(settling)
                fetching.cancel()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def finish(self) -> None:
        """Give the engine no new jobs from now on.  Prepared jobs go back to the waiting ones."""
        self._finishing = True
        self._inflight.put_back([one.claimed for one in self._ready])
        self._ready = []
        self._may_step.set()

    async def _fetch(self) -> None:
        """Select the jobs to run next, and fetch their audio."""
        while True:
            await self._inflight.has_news[self._number].wait()
            chosen = self._inflight.choose(self._now(), self._number)
            try:
                self._job_io.drop(chosen.stale)
                ready = await self._job_io.fetch(chosen.run)
            except (RedisError, OSError) as exc:
                logger.warning("redis_unavailable", error=type(exc).__name__)
                await asyncio.sleep(BACK_OFF)
                self._inflight.put_back(chosen.run)
            else:
                self._take(chosen.run, ready)

    def _take(self, fetched: Sequence[ClaimedJob], ready: Sequence[PreparedJob]) -> None:
        """Queue the prepared jobs for the engine; the others of `fetched` were settled or dropped."""
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

    async def _step(self) -> list[tuple[_Admitted, EngineResult]]:
        """Admit the prepared jobs and run one step of the engine.  Returns the finished jobs."""
        ready, self._ready = self._ready, []
        needed, newcomers = self._promoted(ready)
        at, began = self._now(), time.monotonic()
        self._step_began = began
        loop = asyncio.get_running_loop()
        tickets, answers = await loop.run_in_executor(self._thread, self._turn, needed, newcomers)
        self._step_began = None
        self.steps += 1
        for ticket, newcomer in zip(tickets, newcomers, strict=True):
            self._admitted[ticket] = _Admitted(newcomer, at, began)
        finished = [(self._admitted.pop(ticket), answer) for ticket, answer in answers]
        finals = any(map(_is_final, (*self._admitted.values(), *(one for one, _ in finished))))
        speech, seconds = sum(map(_speech, finished)), time.monotonic() - began
        self.throughput = self.throughput.observe(speech, seconds if finals else 0.0)
        self._meter.stepped(len(self._admitted) + len(finished), speech, seconds)
        for one, _ in finished:
            self._inflight.answer(one.ready.claimed)
        return finished

    def _promoted(self, ready: Sequence[PreparedJob]) -> tuple[list[int], list[PreparedJob]]:
        """
        Let finals take over the drafts of the same job that the engine has.

        Returns the tickets of these drafts, and the jobs to admit: no drafts of segments whose final is admitted.
        """
        drafts = [(ticket, one) for ticket, one in self._admitted.items() if _is_draft(one.ready)]
        finals = [one for one in ready if one.claimed.effort is Effort.FINAL]
        needed, kept = list[int](), list[PreparedJob]()
        for one in ready:
            if _is_draft(one) and any(one.claimed.segment == it.claimed.segment for it in finals):
                self._inflight.finish(one.claimed)
                continue
            same = [ticket for ticket, it in drafts if it.ready.claimed.job == one.claimed.job]
            if one.claimed.effort is Effort.FINAL and same:
                self._take_over(same[0], one)
                needed.append(same[0])
            else:
                kept.append(one)
        return needed, kept

    def _take_over(self, ticket: int, final: PreparedJob) -> None:
        draft = self._admitted[ticket]
        self._admitted[ticket] = _Admitted(final, draft.at, draft.began)
        self._inflight.finish(draft.ready.claimed)

    def _turn(self, needed: Sequence[int], newcomers: Sequence[PreparedJob]) -> _Turn:
        """Admit and step; runs in the engine's thread.  `needed`: tickets of drafts that are finals now."""
        for ticket in needed:
            self._adapter.promote(ticket)
        tickets = self._adapter.admit([one.utterance for one in newcomers]) if newcomers else []
        return tickets, self._adapter.step()

    async def _settle(self, one: _Admitted, answer: EngineResult) -> None:
        """Report an outcome.  A final is retried until Redis accepts it; a partial is tried once."""
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
                logger.warning("redis_unavailable", error=type(exc).__name__)
                reported = one.ready.claimed.effort is not Effort.FINAL
                await asyncio.sleep(BACK_OFF)
        self._inflight.finish(one.ready.claimed)


def _is_draft(one: PreparedJob) -> bool:
    return one.claimed.effort is Effort.DRAFT


def _is_final(one: _Admitted) -> bool:
    """Whether its text is one of a whole segment: a draft is most of the work on finals where drafts are used."""
    return one.ready.claimed.effort is not Effort.PARTIAL


def _speech(finished: tuple[_Admitted, EngineResult]) -> float:
    """Seconds of speech that count as finished: only finals, because the audio of partials comes again."""
    one, answer = finished
    if not _is_final(one) or not isinstance(answer, Hypothesis):
        return 0.0
    return len(one.ready.utterance.samples) / ENGINE_RATE
