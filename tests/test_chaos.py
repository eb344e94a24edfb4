"""The short version of `make chaos`: real processes killed at random while calls are in progress."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.examples import examples

from bench.bridge import script
from bench.rows import rows_in, rows_of
from bench.spoken import SYLLABLE
from protocol.calls.call import Role
from protocol.events import (
    CallEnded,
    CallStarted,
    ChannelTotals,
    Final,
    LoggedEvent,
    SegmentId,
    Span,
    Timing,
    Word,
)
from protocol.events.event_codec import EventJsonWriter, entry_of
from transcripts.transcript import CallSummary, Ending, StoredSegment, Transcript

ROOT = Path(__file__).parent.parent
SEED = os.environ.get("TRUNKLINE_CHAOS_SEED", "20261123")
CHAOS = [sys.executable, "bench/chaos.py", "--runs", "1", "--seed", SEED]


@pytest.mark.long
def test_nothing_is_lost_or_repeated_whichever_process_is_killed() -> None:
    scale = ["--calls", "6", "--segments", str(examples(120)), "--poison", "1"]
    alone = ["--busy", "0", "--recorder-away", "0"]

    run = subprocess.run(
        [*CHAOS, *scale, *alone],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=280,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "nothing lost, nothing twice, nothing wrong" in run.stdout


def parent_and_state(pid: int) -> tuple[int, str]:
    """Of a living process; (0, "Z") of one that is gone."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return 0, "Z"
    return int(parent), state


def children(pid: int) -> list[int]:
    everybody = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]
    return [one for one in everybody if parent_and_state(one)[0] == pid]


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """The path of a Unix socket has 107 characters at most: that of `tmp_path` leaves too few."""
    with tempfile.TemporaryDirectory(prefix="tl-") as folder:
        yield Path(folder)


@pytest.mark.waits
def test_a_run_whose_parent_is_killed_leaves_no_children(short_folder: Path) -> None:
    scale = ["--calls", "4", "--segments", "400", "--only-frozen", "--busy", "3"]
    parent = subprocess.Popen(
        [*CHAOS, *scale], cwd=ROOT, env=os.environ | {"TMPDIR": str(short_folder)}
    )
    everybody = 1 + 1 + 2 + 4 + 3  # Valkey, recorder, gateways, workers, loops
    deadline = time.monotonic() + 120
    try:
        while len(born := children(parent.pid)) < everybody and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(born[0], signal.SIGSTOP)
    finally:
        parent.kill()
        parent.wait()

    while any(parent_and_state(one)[1] != "Z" for one in born) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert len(born) == everybody
    assert [one for one in born if parent_and_state(one)[1] != "Z"] == []


SEGMENT = StoredSegment(
    SegmentId(0, 0),
    Span(800, 4_000),
    Ending.FINAL,
    (Word("4", 900, 2_900),),
    language="en",
    engine="e",
    flags=("loop_cut",),
    timing=Timing(3, 4),
)
TOTALS = (ChannelTotals(transcribed=3_200, silence=4_800),)
CALL = CallSummary("c1", ("mixed",), "en", "twilio", 12.5, "completed", 8_000, TOTALS)
EVENTS: list[LoggedEvent] = [
    CallStarted((Role.MIXED,), "en", "twilio", 12.5),
    Final(
        SEGMENT.segment, SEGMENT.span, SEGMENT.words, "en", 0, (), "e", Timing(3, 4), ("loop_cut",)
    ),
    CallEnded("completed", 8_000, 1, TOTALS),
]
LOG = [
    json.loads(EventJsonWriter("c1", (Role.MIXED,)).write(entry_of(event, seq)))
    for seq, event in enumerate(EVENTS, start=1)
]


def test_a_store_that_has_what_the_log_has_is_right() -> None:
    assert rows_of(Transcript.of(CALL, [SEGMENT])) == rows_in(LOG)


def test_any_column_that_differs_is_seen() -> None:
    others = [
        replace(SEGMENT, span=Span(808, 4_000)),
        replace(SEGMENT, words=(Word("4", 900, 2_908),)),
        replace(SEGMENT, language="de"),
        replace(SEGMENT, keywords_revision=1),
        replace(SEGMENT, keywords_found=("4",)),
        replace(SEGMENT, engine="f"),
        replace(SEGMENT, flags=()),
        replace(SEGMENT, timing=Timing(3, 5)),
        replace(SEGMENT, ending=Ending.FAILED, reason="poison"),
    ]
    calls = [
        replace(CALL, roles=("agent",)),
        replace(CALL, language="de"),
        replace(CALL, dialect="native"),
        replace(CALL, started_at=13.0),
        replace(CALL, ended_reason="gateway lost"),
        replace(CALL, duration=8_008),
        replace(CALL, channels=(ChannelTotals(transcribed=8_000),)),
    ]

    stored = [Transcript.of(CALL, [one]) for one in others]
    stored += [Transcript.of(one, [SEGMENT]) for one in calls]

    assert [one for one in stored if rows_of(one) == rows_in(LOG)] == []


def test_what_a_bridge_that_cannot_come_back_had_not_said_is_said_in_another_call() -> None:
    said = script("t1", 4, np.random.default_rng(1), poisoned=False, language="de")
    second = said.digits[4][0]

    rest = said.rest("t1-1", second - 1)
    assert rest is not None

    assert [word for _, word in rest.digits] == [word for _, word in said.digits[4:]]
    start = rest.digits[0][0]
    assert rest.audio[start : start + SYLLABLE] == said.audio[second : second + SYLLABLE]
    assert said.rest("t1-1", len(said.audio)) is None
