"""
Splits the events of one message into steps of bounded work.

Audio is decoded in threads and passed to the call in short pieces; between two pieces the event loop serves other
calls.  The next message is read only after the last piece: this puts back-pressure on the sender.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeGuard, TypeVar

from protocol.bridge_events import AudioReceived, BridgeEvent, DecodedEvent, EncodedAudioReceived

STEP_MS = 400
"""
Most audio of each channel that one step contains, in ms.

A step needs two of the four rounds of Silero that `VadBatcher` runs in one iteration of the event loop, so no audio
accumulates.  One second of one channel costs 1 ms in `Channel.receive` and 4.4 ms in VAD on one core of a Xeon.
"""

_THREADS = ThreadPoolExecutor(2, thread_name_prefix="decoding")
"""Decoding threads.  Pieces wait here in order of arrival; each is about a second of audio, some 5 ms of work."""

T = TypeVar("T")


async def elsewhere(work: Callable[[], T]) -> T:
    """Run `work`, which must be bounded, in a decoding thread.  Returns its result or raises its exception."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)


async def steps(events: Sequence[BridgeEvent], rate: int) -> AsyncIterator[list[DecodedEvent]]:
    """
    Yield the events of one message in order, one step at a time.

    `rate`: sample rate of the bridge, in Hz.  Raises DialectError like `EncodedAudioReceived.decoded`.
    """
    is_first = True
    async for decoded in _decoded(events):
        for step in cut(decoded, rate):
            if not is_first:
                await asyncio.sleep(0)
            is_first = False
            yield step


def is_plain(events: Sequence[BridgeEvent], rate: int) -> TypeGuard[Sequence[AudioReceived]]:
    """Return whether `events` are one step of audio that needs no decoding.  `rate`: as in `steps`."""
    size = rate * STEP_MS // 1_000
    for one in events:  # noqa: SIM110  # once per frame: a generator costs more than the test
        if not isinstance(one, AudioReceived) or len(one.pcm) > size:
            return False
    return True


def cut(events: Sequence[DecodedEvent], rate: int) -> Iterator[list[DecodedEvent]]:
    """
    Cut `events` into steps of at most `STEP_MS`.

    Channels that arrive together are cut at the same samples; each other event is a step of its own.  `rate`: Hz.
    """
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
    return AudioReceived(audio.channel, audio.pcm[start : start + size], position)


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
