"""The health of an installation in words, from what Redis and the database show.  Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from protocol.scheduling.fleet import Fleet

LATE_SECONDS = 2.0
"""Age of the oldest waiting segment from which finals are noticeably late."""

_VERY_LATE_SECONDS = 30.0
_STORED_SECONDS = 10.0
"""Age of the oldest event that is not stored from which finished calls appear late."""

_NOT_STORED_SECONDS = 60.0
_FULL_SHARE = 0.8


class Level(StrEnum):
    """How serious a sentence is."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is so with one part, for people.  `part`: gateways, workers, queue, recorder, redis or database."""

    part: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured.  Ages in seconds; None: not known, because the part does not answer."""

    gateways: int
    fleets: tuple[Fleet, ...]
    """One for each partition."""

    recordings: int
    """Recordings that wait."""

    stored_behind: float
    """Age of the oldest event that is not stored."""

    given_up: int
    """Segments that were given up since Redis was started."""

    memory_share: float
    """Part of the memory limit of Redis that is in use; 0 without a limit."""

    database_answers: bool


def sentences(measured: Measured) -> list[Sentence]:
    """Return a sentence for each part."""
    return [
        _gateways(measured.gateways),
        _workers(measured.fleets),
        *_queue(measured),
        _recorder(measured.stored_behind),
        _redis(measured.memory_share),
        _database(answers=measured.database_answers),
    ]


def worst(told: Sequence[Sentence]) -> Level:
    """Return the most serious level."""
    order = list(Level)
    return max((one.level for one in told), key=order.index, default=Level.GOOD)


def _gateways(number: int) -> Sentence:
    if not number:
        text = "No gateway is running: bridges cannot connect. Start one with `trunkline gateway`."
        return Sentence("gateways", Level.BAD, text)
    return Sentence("gateways", Level.GOOD, f"{_count(number, 'gateway')} ready to take calls.")


def capacity(fleets: Sequence[Fleet]) -> float | None:
    """Return the seconds of speech that all workers finish per second; None if one is not measured yet."""
    speeds = [one.capacity for one in _most(fleets).workers]
    return None if not speeds or None in speeds else sum(speed or 0.0 for speed in speeds)


def _most(fleets: Sequence[Fleet]) -> Fleet:
    """Return the fleet with most workers: a worker reports its whole capacity to each partition it serves."""
    return max(fleets, key=lambda one: len(one.workers), default=Fleet())


def languages(fleets: Sequence[Fleet]) -> list[str]:
    """Return the languages that living workers transcribe, and translations as `de-en`."""
    tasks = {task for fleet in fleets for task in fleet.tasks}
    return sorted(
        spoken if spoken == written else f"{spoken}-{written}" for spoken, written in tasks
    )


def _workers(fleets: Sequence[Fleet]) -> Sentence:
    number = len(_most(fleets).workers)
    if not number:
        text = (
            "No worker has reported in the last ten seconds: speech waits, and no text appears."
            " Start one with `trunkline worker`."
        )
        return Sentence("workers", Level.BAD, text)
    known = languages(fleets)
    listed = f" for {', '.join(known[:12])}" if known else ""
    speed = capacity(fleets)
    rate = (
        "The speed is not measured yet."
        if speed is None
        else f"Capacity: {speed:.1f} seconds of speech per second."
    )
    return Sentence("workers", Level.GOOD, f"{_count(number, 'worker')} running{listed}. {rate}")


def _queue(measured: Measured) -> Iterator[Sentence]:
    waiting = [
        depth for fleet in measured.fleets for depth in (*fleet.waiting.values(), fleet.for_any)
    ]
    segments = sum(one.segments for one in waiting)
    oldest = max((one.oldest_seconds for one in waiting if one.segments), default=0.0)
    if oldest >= _VERY_LATE_SECONDS:
        many = _count(segments, "segment")
        text = f"{many} waiting, the oldest for {_time(oldest)}: text is far behind. Add workers."
        yield Sentence("queue", Level.BAD, text)
    elif oldest >= LATE_SECONDS:
        text = f"{_count(segments, 'segment')} waiting, the oldest for {_time(oldest)}: finals are late."
        yield Sentence("queue", Level.WARN, text)
    else:
        yield Sentence("queue", Level.GOOD, "Finals are on time: no segment waits for long.")
    if measured.recordings:
        text = (
            f"{_count(measured.recordings, 'segment')} of recordings waiting: live calls go first."
        )
        yield Sentence("queue", Level.GOOD, text)
    if measured.given_up:
        text = f"{_count(measured.given_up, 'segment')} given up after several attempts: see the workers' logs."
        yield Sentence("queue", Level.WARN, text)


def _recorder(behind: float) -> Sentence:
    if behind >= _NOT_STORED_SECONDS:
        text = f"Nothing has been stored for {_time(behind)}: no recorder runs, or its database is unavailable."
        return Sentence("recorder", Level.BAD, text)
    if behind >= _STORED_SECONDS:
        text = f"The recorder is {_time(behind)} behind: finished calls appear late."
        return Sentence("recorder", Level.WARN, text)
    return Sentence("recorder", Level.GOOD, "Transcripts are stored as they arrive.")


def _redis(share: float) -> Sentence:
    if share >= _FULL_SHARE:
        text = f"Redis uses {share:.0%} of its memory: new calls are refused. Raise maxmemory."
        return Sentence("redis", Level.BAD, text)
    used = f"Redis answers and uses {share:.0%} of its memory." if share else "Redis answers."
    return Sentence("redis", Level.GOOD, used)


def _database(*, answers: bool) -> Sentence:
    if answers:
        return Sentence("database", Level.GOOD, "The database answers.")
    text = "The database does not answer: finished calls cannot be read. Calls in progress go on."
    return Sentence("database", Level.BAD, text)


def _count(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5_400 else f"{seconds / 3_600:.0f} hours"
