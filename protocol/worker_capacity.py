"""What a worker tells of itself for whoever admits calls."""

from dataclasses import dataclass

import msgspec

TELL_SECONDS = 2.0
"""How often a worker tells it."""

FRESH_SECONDS = 10.0
"""What is older is of a worker that is gone, or stuck."""

Task = tuple[str, str]
"""Language spoken and language written, both ISO 639; transcribing writes what is spoken."""


@dataclass(frozen=True, slots=True)
class WorkerCapacity:
    """
    One worker's word, a field of the hash `workers` of each partition it serves.

    A worker that serves several partitions tells all of them its whole capacity: add up within one partition only.
    """

    at: float
    """Wall clock in seconds."""

    capacity: float | None
    """Seconds of speech finished for each second of work; None: nothing was measured yet."""

    tasks: frozenset[Task] = frozenset()
    """What its engine was trained for: the jobs that it claims; nothing from a worker that does not say."""

    max_keywords: int | None = None
    """Most keywords that its engine is given for one segment; None: no limit, or it does not say."""


class CapacityError(ValueError):
    """A capacity that this program cannot read."""


def encode_capacity(told: WorkerCapacity) -> bytes:
    """The wire form: a map in MessagePack."""
    return msgspec.msgpack.encode(told)


def decode_capacity(payload: bytes) -> WorkerCapacity:
    """The reverse; CapacityError says why not."""
    try:
        return msgspec.msgpack.decode(payload, type=WorkerCapacity)
    except msgspec.MsgspecError as exc:
        raise CapacityError("not the capacity of a worker") from exc


def is_stale(payload: bytes, now: float) -> bool:
    """Whether the word of a worker counts for nothing: it is too old, or cannot be read."""
    try:
        return now - decode_capacity(payload).at > FRESH_SECONDS
    except CapacityError:
        return True
