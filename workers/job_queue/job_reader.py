"""Decodes the jobs in the answers of Redis.  Pure."""

from dataclasses import replace
from hashlib import sha1
from typing import Any

from broker.redis_keys import Partition
from protocol.scheduling.jobs import JobError, decode_job

from ..engines.base import Effort
from .claimed import ClaimedJob

_EFFORTS = {"partials": Effort.PARTIAL, "drafts": Effort.DRAFT}


class JobReader:
    """Decodes jobs, and counts those that this version cannot decode."""

    def __init__(self) -> None:
        self.unreadable = 0
        """Number of jobs since the start that this version could not decode."""

    def claimed(self, partition: Partition, reply: Any) -> list[ClaimedJob]:  # noqa: ANN401  # as redis-py leaves it
        """Decode the jobs in a reply to XREADGROUP (RESP2, to which the clients are pinned)."""
        claimed = []
        for stream, entries in reply or ():
            kind, _, job_stream = stream.decode().removeprefix(f"{partition.tag}:").partition(":")
            effort = _EFFORTS.get(kind, Effort.FINAL)
            for entry, fields in entries:
                if fields:  # None: deleted while it was pending
                    read = self._read(
                        partition, effort, job_stream or None, entry.decode(), fields[b"j"]
                    )
                    claimed += [replace(one, recorded=kind == "recordings") for one in read]
        return claimed

    def taken(self, partition: Partition, job_stream: str | None, answer: Any) -> list[ClaimedJob]:  # noqa: ANN401
        """Decode the jobs in an answer of TAKE_OVER."""
        return [
            one
            for entry, deliveries, (_, payload) in answer
            for one in self._read(
                partition, Effort.FINAL, job_stream, entry.decode(), payload, deliveries
            )
        ]

    def _read(
        self,
        partition: Partition,
        effort: Effort,
        job_stream: str | None,
        entry: str,
        payload: bytes,
        deliveries: int = 1,
    ) -> list[ClaimedJob]:
        """Decode a job.  A job of an unknown version stays in the stream, for a worker that can read it."""
        try:
            job = decode_job(payload)
            digest = sha1(payload).hexdigest() if effort is Effort.DRAFT else ""  # noqa: S324  # as Lua has it
            return [
                ClaimedJob(entry, partition, effort, job, deliveries, job_stream, digest=digest)
            ]
        except JobError:
            self.unreadable += 1
            return []
