"""
The analyses in the store.

All methods block, and raise the errors of `Store`: call them off the event loop.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from ..database import analysis_rows
from ..database.webhooks.queueing import queue_event
from ..webhooks.events import EventKind, WebhookEvent
from .values import Analysis, AnalysisJob, AnalysisState, Answered

LEASE_SECONDS = 60.0
"""Time after which an attempt whose process has died may be made by another."""

Choose = Callable[[Sequence[AnalysisJob], Mapping[str, int]], Sequence[AnalysisJob]]
"""Chooses among the jobs that may begin; gets how many were begun in the last hour, by tenant."""


class AnalysisStore:
    """The analyses of all tenants."""

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        now: Callable[[], float],
    ) -> None:
        """`transaction` opens a transaction; `now` returns Unix seconds."""
        self._transaction = transaction
        self._now = now

    def enlist(self, age: float, delay: float, tenants: Collection[str] | None) -> int:
        """
        Note calls that have ended and were never to be analysed.  Returns how many.

        `age`: only calls that started less than so many seconds ago; `delay`: seconds until they may be analysed;
        `tenants`: only theirs, None for all.
        """
        now = self._now()
        with self._transaction() as connection:
            return analysis_rows.enlist(connection, now - age, now + delay, tenants)

    def claim(self, choose: Choose) -> list[AnalysisJob]:
        """Begin attempts, for `LEASE_SECONDS`."""
        now = self._now()
        with self._transaction() as connection:
            jobs = analysis_rows.due(connection, now)
            if not jobs:
                return []
            begun = analysis_rows.begun_since(connection, now - 3_600.0)
            until = now + LEASE_SECONDS
            chosen = choose(jobs, begun)
            claimed = [analysis_rows.claim(connection, one, now, until) for one in chosen]
        return [one for one in claimed if one is not None]

    def renew(self, job: AnalysisJob) -> bool:
        """Extend a claim.  Returns False if it is no longer ours."""
        with self._transaction() as connection:
            return analysis_rows.renew(connection, job, self._now() + LEASE_SECONDS)

    def done(self, job: AnalysisJob, answered: Answered) -> bool:
        """Store an answer, and tell webhooks of it.  Returns False if the claim is no longer ours."""
        event = WebhookEvent(EventKind.CALL_SUMMARISED, key=repr(job.begun_at))
        now, done = self._now(), AnalysisState.DONE
        with self._transaction() as connection:
            if not analysis_rows.settle(connection, job, done, now, answered=answered):
                return False
            queue_event(connection, analysis_rows.call_row(connection, job.call), event, now)
        return True

    def give_up(self, job: AnalysisJob, state: AnalysisState, reason: str) -> bool:
        """End without an answer: `state` is failed or skipped.  Returns False if the claim is no longer ours."""
        return self._settle(job, state, reason)

    def try_later(self, job: AnalysisJob, pause: float, reason: str) -> bool:
        """Let the next attempt begin in `pause` seconds.  Returns False if the claim is no longer ours."""
        return self._settle(job, AnalysisState.WAITING, reason, pause)

    def ask_again(self, call_id: str) -> bool:
        """Have a call analysed, again if it was already.  Returns False if it is not stored or has not ended."""
        with self._transaction() as connection:
            return analysis_rows.ask_again(connection, call_id, self._now())

    def of_call(self, call_id: str) -> Analysis | None:
        """Return the analysis of a call; None if it was never to be analysed."""
        with self._transaction() as connection:
            return analysis_rows.of_call(connection, call_id)

    def _settle(
        self, job: AnalysisJob, state: AnalysisState, reason: str, pause: float = 0.0
    ) -> bool:
        now = self._now()
        with self._transaction() as connection:
            return analysis_rows.settle(
                connection, job, state, now, reason=reason, due_at=now + pause
            )
