"""How a recording is played to a session: no faster than its words come back."""

import asyncio

from protocol.dialects.base import Request
from protocol.dialects.deepgram_prerecorded import Report
from streaming.recordings import Played

STARTED = '{"type":"SpeechStarted"}'
FINAL = '{"type":"Results","is_final":true}'
AT_ONCE = 1e9
"""A pace at which nothing but the engine is waited for."""


def played(report: Report, patience: float) -> Played:
    return Played(iter([b"first", b"second"]), report, AT_ONCE, patience)


async def let_others_run() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_recording_waits_for_an_engine_with_more_segments_in_hand_than_it_may_have() -> (
    None
):
    report = Report(Request("/v1/listen"), b"")
    recording = played(report, patience=60)
    first = await anext(aiter(recording))
    for _ in range(9):
        await recording.send(STARTED)

    second = asyncio.ensure_future(anext(aiter(recording)))
    await let_others_run()
    waited = not second.done()
    await recording.send(FINAL)

    assert (first, waited, await second) == (b"first", True, b"second")


async def test_a_recording_goes_on_when_the_engine_does_nothing_for_too_long() -> None:
    report = Report(Request("/v1/listen"), b"")
    recording = played(report, patience=0)
    for _ in range(9):
        await recording.send(STARTED)

    assert [message async for message in recording] == [b"first", b"second"]
    assert report.in_hand == 9
