"""
What a bridge says, in steps of bounded work.

Decoding is done in threads; what is decoded is handed to the call in short pieces, and between two of them the
event loop serves the other calls.  The next message is not read before: that is the back-pressure on its sender.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from protocol.bridge_events import AudioReceived, BridgeEvent, DecodedEvent, EncodedAudioReceived

STEP_MS = 400
"""
Most audio of each channel that a call takes in at a time.

It takes twelve of the 32 rounds of Silero that `ear.listen` does in one turn of the loop, so that no audio piles up
behind it; a second of one channel costs 1 ms in `Channel.receive` and 4.4 ms in `listen` on one core of a Xeon.
"""

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="decoding")
"""Steps wait for each other here, first come, first served; a step is a second of audio, some 5 ms."""

T = TypeVar("T")


async def elsewhere(work: Callable[[], T]) -> T:
    """Have a bounded piece of work done outside of the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


async def steps(events: Sequence[BridgeEvent], rate: int) -> AsyncIterator[list[DecodedEvent]]:
    """
    The events of one message, in order, a step at a time; `rate` in Hz is that of the bridge.

    DialectError as `EncodedAudioReceived.decoded`.
    """
    is_first = True
    async for decoded in _decoded(events):
        for step in cut(decoded, rate):
            if not is_first:
                await asyncio.sleep(0)
            is_first = False
            yield step


def cut(events: Sequence[DecodedEvent], rate: int) -> Iterator[list[DecodedEvent]]:
    """Channels that come together are cut at the same samples; everything else is a step of its own."""
    size = rate * STEP_MS // 1_000
    together: list[AudioReceived] = []
    for event in events:
        if isinstance(event, AudioReceived) and event.channel not in {
            one.channel for one in together
        }:
            together.append(event)
            continue
        yield from _cut(together, size)
        together = [event] if isinstance(event, AudioReceived) else []
        if not together:
            yield [event]
    yield from _cut(together, size)


def _cut(together: Sequence[AudioReceived], size: int) -> Iterator[list[DecodedEvent]]:
    longest = max((len(one.pcm) for one in together), default=0)
    if longest <= size:
        if together:
            yield [*together]
        return
    for start in range(0, longest, size):
        yield [_part(one, start, size) for one in together if start < len(one.pcm)]


def _part(audio: AudioReceived, start: int, size: int) -> AudioReceived:
    position = None if audio.position is None else audio.position + start
    return replace(audio, pcm=audio.pcm[start : start + size], position=position)


async def _decoded(events: Sequence[BridgeEvent]) -> AsyncIterator[list[DecodedEvent]]:
    plain: list[DecodedEvent] = []
    for event in events:
        if not isinstance(event, EncodedAudioReceived):
            plain.append(event)
            continue
        if plain:
            yield plain
            plain = []
        async for piece in _pieces(event):
            yield [*piece]
    if plain:
        yield plain


async def _pieces(event: EncodedAudioReceived) -> AsyncIterator[list[AudioReceived]]:
    pieces = event.decoded()
    while (piece := await elsewhere(lambda: next(pieces, None))) is not None:
        if piece:
            yield piece
