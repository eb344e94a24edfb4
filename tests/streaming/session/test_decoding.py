"""Decoding of one message in bounded steps, with turns for other calls in between."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.audio import Pcm
from protocol.bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    DecodedEvent,
    DialectError,
    EncodedAudioReceived,
    FinalizeRequested,
)
from streaming.session.bridge.decoding import STEP_MS, cut, steps


def audio(length: int, channel: int = 0, position: int | None = None) -> AudioReceived:
    return AudioReceived(channel, np.arange(length).astype(np.int16), position)


@dataclass
class CountingDecoder:
    """A decoder that yields a number of pieces of a second for each frame; remembers the requests."""

    pieces_in_a_frame: int
    pending: int = 0
    threads: list[int] = field(default_factory=list)

    def pieces(self, frame: bytes) -> Iterator[list[Pcm]]:
        for number in range(self.pieces_in_a_frame):
            self.threads.append(threading.get_ident())
            yield [np.full(16_000, number, np.int16)]
        if frame == b"broken":
            raise ValueError("not opus")


def lengths(step: list[DecodedEvent]) -> list[int]:
    return [len(event.pcm) for event in step if isinstance(event, AudioReceived)]


@given(
    st.lists(
        st.one_of(
            st.builds(audio, st.integers(0, 20_000), st.integers(0, 2), st.none() | st.just(7)),
            st.just(FinalizeRequested()),
        ),
        max_size=6,
    ),
    st.sampled_from([8_000, 16_000, 44_100, 48_000]),
)
def test_every_sample_comes_once_and_in_order_and_no_step_is_longer_than_it_may_be(
    events: list[DecodedEvent], rate: int
) -> None:
    made = list(cut(events, rate))

    assert all(1_000 * length <= STEP_MS * rate for step in made for length in lengths(step))
    for channel in range(3):
        sent, got = (
            [
                part.pcm
                for part in parts
                if isinstance(part, AudioReceived) and part.channel == channel
            ]
            for parts in (events, [part for step in made for part in step])
        )
        assert np.array_equal(np.concatenate([[], *sent]), np.concatenate([[], *got]))
    assert sum(isinstance(one, FinalizeRequested) for step in made for one in step) == sum(
        isinstance(one, FinalizeRequested) for one in events
    )


def test_channels_that_come_together_go_on_together_and_keep_their_positions() -> None:
    made = list(cut([audio(4_000, 0, 10), audio(4_000, 1, 10), CallClosed()], 8_000))

    assert [
        [
            (one.channel, len(one.pcm), one.position)
            for one in step
            if isinstance(one, AudioReceived)
        ]
        for step in made
    ] == [[(0, 3_200, 10), (1, 3_200, 10)], [(0, 800, 3_210), (1, 800, 3_210)], []]


@pytest.mark.parametrize(
    "events",
    [[audio(2**20)], [audio(2**17, channel) for channel in range(8)], [EncodedAudioReceived(b"", CountingDecoder(20))]],
    ids=["1 MiB of mu-law", "eight channels", "compressed"],
)  # fmt: skip
async def test_between_two_steps_everybody_else_gets_a_turn(events: list[BridgeEvent]) -> None:
    turns, turns_at = 0, []

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(somebody_else())
    try:
        async for step in steps(events, 8_000):
            turns_at.append(turns)
            assert 1_000 * max(lengths(step)) <= STEP_MS * 8_000
    finally:
        other.cancel()

    assert len(turns_at) > 40
    assert all(before < after for before, after in pairwise(turns_at))


async def test_nothing_is_decoded_on_the_event_loop_and_everything_in_order() -> None:
    decoder = CountingDecoder(3)

    heard = [
        one
        async for step in steps(
            [EncodedAudioReceived(b"", decoder, position=100), CallClosed()], 8_000
        )
        for one in step
    ]

    assert threading.get_ident() not in decoder.threads
    pcm = [one for one in heard if isinstance(one, AudioReceived)]
    assert (
        np.concatenate([one.pcm for one in pcm]).tolist()
        == [0] * 16_000 + [1] * 16_000 + [2] * 16_000
    )
    assert [one.position for one in pcm[::5]] == [100, 16_100, 32_100]
    assert heard[-1] == CallClosed()


async def test_a_piece_is_decoded_after_the_one_before_it_was_processed() -> None:
    """Back-pressure: a slow call does not make its decoder run ahead."""
    decoder = CountingDecoder(10)

    async for _ in steps([EncodedAudioReceived(b"", decoder)], 8_000):
        break

    assert len(decoder.threads) == 1


async def test_what_is_no_audio_is_the_fault_of_the_peer() -> None:
    with pytest.raises(DialectError, match="not opus"):
        async for _ in steps([EncodedAudioReceived(b"broken", CountingDecoder(1))], 8_000):
            pass
