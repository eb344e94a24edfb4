"""RecordingSocket: a recording is played no faster than its results return."""

import asyncio

import numpy as np
import pytest

from protocol.audio import Encoding
from protocol.codecs.wav import samples
from protocol.dialects.deepgram.live_results import LiveResults
from streaming.endpoints.recording_messages import messages
from streaming.endpoints.recording_socket import RecordingSocket

STARTED = '{"type":"SpeechStarted"}'
FINAL = '{"type":"Results","is_final":true}'
AT_ONCE = 1e9
"""A pace at which nothing but the engine is waited for."""


def played(results: LiveResults, patience: float) -> RecordingSocket:
    return RecordingSocket(iter([b"first", b"second"]), results, AT_ONCE, patience)


async def let_others_run() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_a_recording_with_too_many_unfinished_segments_waits_for_the_engine() -> None:
    results = LiveResults()
    recording = played(results, patience=60)
    first = await anext(aiter(recording))
    for _ in range(9):
        await recording.send(STARTED)

    second = asyncio.ensure_future(anext(aiter(recording)))
    await let_others_run()
    waited = not second.done()
    await recording.send(FINAL)

    assert (first, waited, await second) == (b"first", True, b"second")


async def test_a_recording_goes_on_when_the_engine_does_nothing_for_too_long() -> None:
    results = LiveResults()
    recording = played(results, patience=0)
    for _ in range(9):
        await recording.send(STARTED)

    assert [message async for message in recording] == [b"first", b"second"]
    assert results.unfinished == 9


def test_a_recording_at_the_rate_of_calls_is_said_as_it_is() -> None:
    heard = samples(Encoding.L16, 8_000, 2, b"\1\0\2\0\3\0\4\0")

    assert list(messages(heard, 8_000)) == [b"\1\0\2\0\3\0\4\0", '{"type":"CloseStream"}']


@pytest.mark.parametrize(("rate", "channels"), [(4_000, 8), (11_025, 2), (44_100, 1), (192_000, 8)])
def test_a_recording_at_another_rate_is_resampled_in_pieces_of_a_tenth_of_a_second(
    rate: int, channels: int
) -> None:
    tone = 10_000 * np.sin(2 * np.pi * 440 * np.arange(3 * rate) / rate)
    pcm = np.repeat(tone.astype("<i2")[:, None], channels, axis=1)

    *said, last_message = messages(samples(Encoding.L16, rate, channels, pcm.tobytes()), 16_000)

    audio = [one for one in said if isinstance(one, bytes)]
    heard = np.frombuffer(b"".join(audio), "<i2").reshape(-1, channels)
    assert last_message == '{"type":"CloseStream"}'
    assert abs(len(heard) - 48_000) <= 2
    assert max(map(len, said)) <= 2 * channels * 16_000 // 2, "half a second: soxr gives in bursts"
    spectrum = np.abs(np.fft.rfft(heard[16_000:32_000, channels - 1].astype(float)))
    assert np.argmax(spectrum) == 440
