"""The health of an installation in words."""

from dataclasses import replace

import pytest

from protocol.scheduling.fleet import Fleet, QueueDepth
from protocol.scheduling.worker_capacity import WorkerCapacity
from transcripts.live.health_words import Level, Measured, sentences, worst

ENGLISH = ("en", "en")
WORKER = WorkerCapacity(0.0, 12.0, frozenset({ENGLISH}))
WELL = Measured(2, (Fleet((WORKER, WORKER)),), 0, 0.0, 0, 0.0, database_answers=True)


def queued(segments: int, seconds: float) -> tuple[Fleet, ...]:
    return (Fleet((WORKER,), {ENGLISH: QueueDepth(segments, seconds)}),)


def test_all_is_well() -> None:
    told = {one.part: one.text for one in sentences(WELL)}

    assert worst(sentences(WELL)) is Level.GOOD
    assert told["gateways"] == "2 gateways are ready to take calls."
    assert told["workers"] == (
        "2 workers are running for en. Capacity: 24.0 seconds of speech per second."
    )


@pytest.mark.parametrize(
    ("measured", "part", "level", "said"),
    [
        (replace(WELL, gateways=0), "gateways", Level.BAD, "No gateway"),
        (replace(WELL, fleets=(Fleet(),)), "workers", Level.BAD, "No worker"),
        (replace(WELL, fleets=queued(3, 4.0)), "queue", Level.WARN, "3 segments are waiting"),
        (replace(WELL, fleets=queued(1, 400.0)), "queue", Level.BAD, "for 7 minutes"),
        (replace(WELL, given_up=1), "queue", Level.WARN, "1 segment is given up"),
        (replace(WELL, stored_behind=20.0), "recorder", Level.WARN, "20 s behind"),
        (replace(WELL, stored_behind=7_200.0), "recorder", Level.BAD, "for 2 hours"),
        (replace(WELL, memory_share=0.9), "redis", Level.BAD, "90%"),
        (replace(WELL, database_answers=False), "database", Level.BAD, "does not answer"),
    ],
)
def test_what_is_wrong_is_told_with_its_part(
    measured: Measured, part: str, level: Level, said: str
) -> None:
    found = [one for one in sentences(measured) if one.level is not Level.GOOD]

    assert worst(found) is level
    assert [one.part for one in found] == [part]
    assert said in found[0].text
