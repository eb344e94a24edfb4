"""
Analyses calls that have ended.

The work is derived from the store, and claimed there for a minute at a time: nothing is lost if this process dies,
and several processes may run.  A transcript is only read: a failure ends one attempt and changes no transcript.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

import structlog

from broker.time_limits import TimeLimit

from ..store import Store, StoreError
from ..transcript import Transcript
from .analysis_store import LEASE_SECONDS
from .chat import ModelError, ModelReply
from .metrics import AnalyserMeter
from .prompt import (
    Division,
    ModelRequest,
    divided,
    lines_of,
    notes_request,
    part_request,
    whole_request,
)
from .schedule import MOST_ATTEMPTS, choose, pause_after
from .settings import AnalyserSettings
from .template import Template, Templates
from .values import AnalysisJob, AnalysisState, Answered

_Result = TypeVar("_Result")

logger = structlog.get_logger()


class Model(Protocol):
    """What answers requests."""

    async def ask(self, request: ModelRequest) -> ModelReply:
        """Return an answer by the schema of the request.  Raises ModelError."""
        ...


class Analyser:
    """Asks a model about the calls of a store."""

    def __init__(
        self,
        store: Store,
        model: Model,
        templates: Templates,
        settings: AnalyserSettings,
        meter: AnalyserMeter | None = None,
        look_seconds: float = 2.0,
    ) -> None:
        """`look_seconds`: between two searches for work."""
        self._store = store
        self._model = model
        self._templates = templates
        self._settings = settings
        self._meter = meter or AnalyserMeter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._free = settings.simultaneous
        self._quiet_until = 0.0
        self._look_seconds = look_seconds
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Analyse until cancelled.  What is in progress then is begun again after its claim has ended."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._news.clear()
                    for job in await self._found():
                        self._free -= 1
                        tasks.create_task(self._work(job))
                    with contextlib.suppress(TimeoutError):
                        async with TimeLimit(self._look_seconds):
                            await self._news.wait()
        finally:
            self._thread.shutdown()

    async def _found(self) -> list[AnalysisJob]:
        if not self._free or asyncio.get_running_loop().time() < self._quiet_until:
            return []
        try:
            return await self._in_thread(self._claim)
        except StoreError as exc:
            self._meter.failed("store")
            logger.error("store_unavailable", remedy=str(exc))
            return []

    def _claim(self) -> list[AnalysisJob]:
        settings, analyses = self._settings, self._store.analyses
        analyses.enlist(
            settings.call_age_hours * 3_600, settings.delay_seconds, self._templates.only
        )

        def fitting(jobs: Sequence[AnalysisJob], begun: Mapping[str, int]) -> Sequence[AnalysisJob]:
            return choose(jobs, begun, self._free, settings.calls_per_hour)

        return analyses.claim(fitting)

    async def _work(self, job: AnalysisJob) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._renew(job))
                await self._attempt(job)
                renewing.cancel()
        except* StoreError as exc:  # the claim ends, and another attempt begins
            self._meter.failed("store")
            logger.error("store_unavailable", remedy=str(exc.exceptions[0]))
        except* Exception as exc:  # noqa: BLE001  # one call must not end the others
            name = type(exc.exceptions[0]).__name__
            logger.error("analysis_error", call_id=job.call_id, error=name)
        finally:
            self._free += 1
            self._news.set()

    async def _renew(self, job: AnalysisJob) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            await self._in_thread(partial(self._store.analyses.renew, job))

    async def _attempt(self, job: AnalysisJob) -> None:
        """Make one attempt and settle it."""
        template = self._templates.of(job.tenant)
        transcript = await self._in_thread(partial(self._store.whole, job.call_id))
        if template is None:
            await self._give_up(job, AnalysisState.FAILED, "there is no template for this tenant")
        elif transcript is None or not transcript.spoken:
            await self._give_up(job, AnalysisState.SKIPPED, "nothing was said")
        elif job.attempts > MOST_ATTEMPTS:
            await self._give_up(
                job, AnalysisState.FAILED, "the analyser was stopped at each attempt"
            )
        else:
            try:
                answered = await self._answered(transcript, template)
            except ModelError as exc:
                await self._failed(job, exc)
            else:
                await self._done(job, answered)

    async def _answered(self, transcript: Transcript, template: Template) -> Answered:
        settings, language = self._settings, transcript.call.language
        lines = await self._in_thread(partial(lines_of, transcript))
        division = divided(lines, settings.part_characters, settings.most_parts)
        replies = []
        if len(division.parts) > 1:
            replies = await self._notes(template, division)
            longest = settings.part_characters // len(replies)
            notes = [str(one.answer["notes"])[:longest] for one in replies]
            replies.append(await self._model.ask(notes_request(template, language, notes)))
        else:
            replies.append(await self._model.ask(whole_request(template, language, lines)))
        return Answered(
            replies[-1].answer,
            replies[-1].model,
            template.version,
            division.coverage,
            sum(one.prompt_tokens for one in replies),
            sum(one.answer_tokens for one in replies),
            sum(one.elapsed_ms for one in replies),
        )

    async def _notes(self, template: Template, division: Division) -> list[ModelReply]:
        """Ask for notes about each part, one after the other: a call takes no more than its share of the server."""
        number = len(division.parts)
        return [
            await self._model.ask(part_request(template, part, place, number))
            for place, part in enumerate(division.parts, 1)
        ]

    async def _done(self, job: AnalysisJob, answered: Answered) -> None:
        if await self._in_thread(partial(self._store.analyses.done, job, answered)):
            self._meter.done(answered.elapsed_ms / 1_000)
            logger.info("call_analysed", call_id=job.call_id, seconds=answered.elapsed_ms / 1_000)

    async def _failed(self, job: AnalysisJob, error: ModelError) -> None:
        pause = pause_after(job.attempts, random.random())
        if error.pause:
            self._quiet_until = asyncio.get_running_loop().time() + error.pause
        if pause is None:
            await self._give_up(job, AnalysisState.FAILED, str(error))
            return
        pause = max(pause, error.pause)
        self._meter.failed("attempt")
        logger.warning(
            "analysis_failed", call_id=job.call_id, reason=str(error), again_in_seconds=round(pause)
        )
        later = partial(self._store.analyses.try_later, job, pause, str(error))
        await self._in_thread(later)

    async def _give_up(self, job: AnalysisJob, state: AnalysisState, reason: str) -> None:
        if state is AnalysisState.FAILED:
            self._meter.failed("given_up")
            logger.error("analysis_given_up", call_id=job.call_id, reason=reason)
        await self._in_thread(partial(self._store.analyses.give_up, job, state, reason))

    async def _in_thread(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
