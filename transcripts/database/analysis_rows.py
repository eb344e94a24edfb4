"""The analyses of calls: work that is derived from the store, claims on it, and answers."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, exists, insert, select, update
from sqlalchemy.sql import func

from ..analysis.values import Analysis, AnalysisJob, AnalysisState, Answered, Coverage
from .call_rows import CallRow
from .schema import analyses, calls

_AT_ONCE = 200
_OPEN = (AnalysisState.WAITING, AnalysisState.RUNNING)


def enlist(
    connection: Connection, since: float, due_at: float, tenants: Collection[str] | None
) -> int:
    """
    Make a row for calls that have ended and have none.  Returns how many.

    `since`: only calls that started at this time or later; `due_at`: when they may be analysed; `tenants`: only
    theirs, None for all.
    """
    streams = calls.alias()
    query = select(calls.c.id).where(
        calls.c.started_at >= since,
        calls.c.call_id == calls.c.root,
        calls.c.ended_reason != "",
        ~exists().where(analyses.c.call == calls.c.id),
        ~exists().where(streams.c.root == calls.c.root, streams.c.ended_reason == ""),
    )
    if tenants is not None:
        query = query.where(calls.c.tenant.in_(tenants))
    found = connection.execute(query.limit(_AT_ONCE)).scalars().all()
    if found:
        connection.execute(insert(analyses), [_new(call, due_at) for call in found])
    return len(found)


def due(connection: Connection, now: float) -> list[AnalysisJob]:
    """Return analyses that wait, or whose attempt was abandoned; the longest waiting first."""
    query = (
        select(
            analyses.c.call, analyses.c.attempts, analyses.c.due_at, calls.c.call_id, calls.c.tenant
        )
        .join(calls, calls.c.id == analyses.c.call)
        .where(analyses.c.state.in_(_OPEN), analyses.c.due_at <= now)
        .order_by(analyses.c.due_at)
        .limit(_AT_ONCE)
    )
    rows = connection.execute(query).mappings()
    return [
        AnalysisJob(row["call"], row["call_id"], row["tenant"], row["attempts"], row["due_at"])
        for row in rows
    ]


def begun_since(connection: Connection, since: float) -> dict[str, int]:
    """Return how many analyses were begun since then, by tenant."""
    query = (
        select(calls.c.tenant, func.count())
        .join(calls, calls.c.id == analyses.c.call)
        .where(analyses.c.begun_at >= since)
        .group_by(calls.c.tenant)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def claim(connection: Connection, job: AnalysisJob, now: float, until: float) -> AnalysisJob | None:
    """Begin an attempt; None if another process was first.  After `until` another process may begin one."""
    same = (analyses.c.call == job.call, analyses.c.due_at == job.due_at)
    values = {
        "state": AnalysisState.RUNNING,
        "attempts": job.attempts + 1,
        "begun_at": now,
        "due_at": until,
    }
    where = update(analyses).where(*same, analyses.c.state.in_(_OPEN))
    if connection.execute(where.values(values)).rowcount != 1:
        return None
    return replace(job, attempts=job.attempts + 1, begun_at=now, due_at=until)


def renew(connection: Connection, job: AnalysisJob, until: float) -> bool:
    """Extend a claim.  Returns False if it is no longer ours."""
    where = update(analyses).where(*_claimed(job))
    return connection.execute(where.values(due_at=until)).rowcount == 1


def settle(
    connection: Connection,
    job: AnalysisJob,
    state: AnalysisState,
    now: float,
    *,
    reason: str = "",
    due_at: float = 0.0,
    answered: Answered | None = None,
) -> bool:
    """End an attempt.  Returns False if the claim was lost: then nothing is changed."""
    values: dict[str, Any] = {"state": state, "reason": reason, "due_at": due_at}
    if state not in _OPEN:
        values["finished_at"] = now
    if answered is not None:
        values |= _answer_columns(answered)
    return connection.execute(update(analyses).where(*_claimed(job)).values(values)).rowcount == 1


def ask_again(connection: Connection, call_id: str, now: float) -> bool:
    """Have a call analysed, again if it was already.  Returns False if it is not stored or has not ended."""
    query = select(calls.c.id).where(calls.c.call_id == call_id, calls.c.ended_reason != "")
    call = connection.execute(query).scalar()
    if call is None:
        return False
    values = {"state": AnalysisState.WAITING, "attempts": 0, "due_at": now, "reason": ""}
    again = update(analyses).where(analyses.c.call == call).values(values | {"begun_at": None})
    if connection.execute(again).rowcount == 0:
        connection.execute(insert(analyses).values(_new(call, now)))
    return True


def of_call(connection: Connection, call_id: str) -> Analysis | None:
    """Return the analysis of a call; None if it was never to be analysed."""
    query = select(analyses).join(calls, calls.c.id == analyses.c.call)
    row = connection.execute(query.where(calls.c.call_id == call_id)).mappings().first()
    return None if row is None else _analysis(row)


def call_row(connection: Connection, call: int) -> CallRow:
    """Return the row of a call that is there."""
    row = connection.execute(select(calls).where(calls.c.id == call)).mappings().one()
    roles = tuple(row["roles"])
    return CallRow(call, row["call_id"], row["log"], row["ended_reason"], roles, row["tenant"])


def forget(connection: Connection, roots: Collection[str]) -> None:
    """Delete what was answered about calls whose words have changed.  They are analysed again."""
    found = select(calls.c.id).where(calls.c.call_id.in_(roots))
    connection.execute(delete(analyses).where(analyses.c.call.in_(found)))


def _claimed(job: AnalysisJob) -> Sequence[ColumnElement[bool]]:
    return (
        analyses.c.call == job.call,
        analyses.c.state == AnalysisState.RUNNING,
        analyses.c.begun_at == job.begun_at,
    )


def _new(call: int, due_at: float) -> dict[str, Any]:
    return {"call": call, "state": AnalysisState.WAITING, "due_at": due_at}


def _answer_columns(answered: Answered) -> dict[str, Any]:
    return {
        "answer": answered.answer,
        "model": answered.model,
        "template": answered.template,
        "coverage": asdict(answered.coverage),
        "prompt_tokens": answered.prompt_tokens,
        "answer_tokens": answered.answer_tokens,
        "elapsed_ms": answered.elapsed_ms,
    }


def _analysis(row: RowMapping) -> Analysis:
    answered = None
    if row["answer"] is not None:
        answered = Answered(
            row["answer"],
            row["model"],
            row["template"],
            Coverage(**row["coverage"]),
            row["prompt_tokens"],
            row["answer_tokens"],
            row["elapsed_ms"],
        )
    state = AnalysisState(row["state"])
    return Analysis(state, row["attempts"], row["reason"], row["finished_at"], answered)
