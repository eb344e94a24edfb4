"""A channel that restarts with a new ledger account: the same audio, at every rate."""

import numpy as np
import pytest

from protocol.audio import Pcm
from protocol.calls.call import CallConfig, Role
from protocol.clock import at_rate
from protocol.events import Account
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.crosstalk import CrosstalkDetector
from streaming.audio.quality.monitor import QualityMonitor
from streaming.audio.resampler import internal_rate
from streaming.audio.vad_batcher import VadBatcher
from streaming.audio.voice_activity.vad_choice import Vad
from streaming.call.call import Call
from streaming.call.identity import CallIdentity
from streaming.call.ledger import Ledger
from streaming.session.calls.channel import Channel
from streaming.session.calls.channel_origin import ChannelOrigin

RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000]


class RememberingSegmenter(ChannelSegmenter):
    """A segmenter that remembers its audio.  No line feeds its parts: `test_channel_lines` compares those."""

    line_parts = None

    def __init__(self, rate: int) -> None:
        super().__init__(vad=Vad.WEBRTC, rate=internal_rate(rate))
        self.given: list[Pcm] = []

    def feed(self, pcm: Pcm) -> None:
        self.given.append(pcm)
        super().feed(pcm)

    @property
    def audio(self) -> Pcm:
        return np.concatenate([np.zeros(0, dtype=np.int16), *self.given])


def account() -> Call:
    identity = CallIdentity("c1", "log", (Role.MIXED,), "native", 0.0)
    return Call(identity, CallConfig(), Ledger(6_400), 500, lambda: 0.0)


def noise(seconds: float, rate: int) -> Pcm:
    return np.random.default_rng(7).integers(-3_000, 3_000, int(seconds * rate)).astype(np.int16)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("position", [0, 1, 7_999, 12_000])
async def test_a_new_segmenter_gets_the_same_audio_as_the_old_one(rate: int, position: int) -> None:
    first, second = RememberingSegmenter(rate), RememberingSegmenter(rate)
    channel = Channel(
        0,
        rate,
        first,
        VadBatcher(None),
        account(),
        ChannelOrigin(),
        QualityMonitor(1, rate),
        CrosstalkDetector(),
    )
    pcm = noise(3.0, rate)
    for start in range(0, 2 * rate, rate // 25):
        channel.receive(None, pcm[start : start + rate // 25])
    channel.catch_up()
    before = len(first.audio)

    channel.restart(second, account(), ChannelOrigin(position))
    for start in range(2 * rate, 3 * rate, rate // 25):
        channel.receive(None, pcm[start : start + rate // 25])
    channel.finish()

    skipped = at_rate(position, rate) * internal_rate(rate) // rate
    assert second.audio[: before - skipped].tolist() == first.audio[skipped:].tolist()
    assert len(second.audio) == 3 * internal_rate(rate) - skipped
    assert channel.heard == pytest.approx(3 * 8_000, abs=1)


@pytest.mark.parametrize("rate", RATES)
async def test_a_loss_comes_again_at_its_place(rate: int) -> None:
    channel = Channel(
        0,
        rate,
        RememberingSegmenter(rate),
        VadBatcher(None),
        account(),
        ChannelOrigin(),
        QualityMonitor(1, rate),
        CrosstalkDetector(),
    )
    channel.receive(None, noise(1.0, rate))
    channel.skip(2 * rate, "paused", Account.PAUSED)
    channel.receive(None, noise(1.0, rate))

    channel.restart(RememberingSegmenter(rate), account(), ChannelOrigin(4_000))
    channel.finish()

    assert channel.heard == 4 * 8_000
    assert channel.totals.paused == 2 * 8_000
    assert channel.totals.lost_upstream == 0
