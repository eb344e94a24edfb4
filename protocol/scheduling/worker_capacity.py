"""The capacity that a worker reports. Gateways use it to admit calls."""

from dataclasses import dataclass

import msgspec

REPORT_SECONDS = 2.0
"""Interval of the reports of a worker."""

FRESH_SECONDS = 10.0
"""An older report belongs to a worker that has stopped or hangs."""

Task = tuple[str, str]
"""Language spoken and language written, both ISO 639. They are equal for transcription without translation."""


@dataclass(frozen=True, slots=True)
class WorkerCapacity:
    """
    The report of one worker: a field of the hash `workers` of each partition that it serves.

    A worker of several partitions reports its whole capacity to each: add up capacities within one partition only.
    """

    at: float
    """Time of the report, in seconds since 1970 by the clock of Redis."""

    capacity: float | None
    """Seconds of speech finished per second of work; None: not measured yet."""

    tasks: frozenset[Task] = frozenset()
    """Tasks of its engine: the worker claims jobs of these. Empty if the worker does not report tasks."""

    max_keywords: int | None = None
    """Most keywords that its engine receives for one segment; None: no limit, or not reported."""


class CapacityError(ValueError):
    """The bytes are not a capacity that this program can read."""


def encode_capacity(report: WorkerCapacity) -> bytes:
    """Encode a capacity as a map in MessagePack."""
    return msgspec.msgpack.encode(report)


def decode_capacity(payload: bytes) -> WorkerCapacity:
    """Decode a capacity. Raises `CapacityError` if the bytes are not a capacity."""
    try:
        return msgspec.msgpack.decode(payload, type=WorkerCapacity)
    except msgspec.MsgspecError as exc:
        raise CapacityError("not a capacity report of a worker") from exc


def is_stale(payload: bytes, now: float) -> bool:
    """True if a report is older than `FRESH_SECONDS` or cannot be decoded. `now`: seconds since 1970."""
    try:
        return now - decode_capacity(payload).at > FRESH_SECONDS
    except CapacityError:
        return True
