"""The voice of the other party in a channel, on recordings of people."""

from dataclasses import dataclass

import numpy as np
import pytest
from support import sounds
from support.spoken_lines import as_line, clips, softer

from protocol.audio import Pcm
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_tracker
from streaming.audio.crosstalk import CrosstalkDetector, LevelTrace
from streaming.audio.sound_events import SegmentClosed, VoiceSource
from streaming.audio.vad_runner import run_vad
from streaming.audio.voice_activity.silero import Silero

SECOND, TICK = 8_000, 160
OWN, CROSSTALK = VoiceSource.OWN, VoiceSource.CROSSTALK


@dataclass
class Line:
    segmenter: ChannelSegmenter

    @property
    def trace(self) -> LevelTrace:
        return LevelTrace(self.segmenter.decided // TICK, self.segmenter.levels)


@pytest.fixture(scope="module")
def agent() -> list[Pcm]:
    return clips("prompts/*.wav")[:6]


@pytest.fixture(scope="module")
def customer() -> list[Pcm]:
    return [clip for clip in clips("numbers/*-customer.wav") if len(clip) > SECOND][:6]


def judged(silero: Silero, *channels: Pcm) -> list[list[SegmentClosed]]:
    """The segments of each channel; the channels are heard together."""
    lines = [Line(ChannelSegmenter(background=new_tracker())) for _ in channels]
    detector = CrosstalkDetector()
    detector.watch(lines)
    found: list[list[SegmentClosed]] = [[] for _ in channels]
    segmenters = [line.segmenter for line in lines]
    for start in range(0, max(map(len, channels)), 2 * TICK):
        for segmenter, pcm in zip(segmenters, channels, strict=True):
            segmenter.feed(pcm[start : start + 2 * TICK])
        for number, events in enumerate(run_vad(segmenters, silero)):
            closed = [event for event in events if isinstance(event, SegmentClosed)]
            found[number] += [detector.judge(number, event) for event in closed]
    return found


def turns(first: list[Pcm], second: list[Pcm]) -> tuple[Pcm, Pcm]:
    """Two parties who take turns, 1.5 s of silence between them."""
    one, other = list[Pcm](), list[Pcm]()
    for said, answered in zip(first, second, strict=True):
        one += [said, sounds.silence(1.5), np.zeros_like(answered), sounds.silence(1.5)]
        other += [np.zeros_like(said), sounds.silence(1.5), answered, sounds.silence(1.5)]
    return np.concatenate(one), np.concatenate(other)


def leaked(pcm: Pcm, decibels: float, seconds: float) -> Pcm:
    late = np.concatenate([sounds.silence(seconds), pcm])[: len(pcm)]
    return softer(late, decibels)


@pytest.mark.parametrize(("decibels", "seconds"), [(20, 0.2), (15, 0.0), (28, 0.44)])
def test_a_leak_is_found_and_both_parties_are_heard(
    silero: Silero, agent: list[Pcm], customer: list[Pcm], decibels: float, seconds: float
) -> None:
    one, other = turns(agent, customer)
    mixed = as_line([other + leaked(one, decibels, seconds)])

    first, second = judged(silero, as_line([one]), mixed)

    assert {segment.source for segment in first} == {OWN}
    for segment in second:
        own = other[segment.span.start : segment.span.end].any()
        assert segment.source is (OWN if own else CROSSTALK), segment
    assert sum(segment.source is CROSSTALK for segment in second) >= len(agent)


def test_both_parties_speaking_at_once_are_both_heard(
    silero: Silero, agent: list[Pcm], customer: list[Pcm]
) -> None:
    one, other = np.concatenate(agent), np.concatenate(customer)
    length = min(len(one), len(other))
    other = softer(other[:length], 12) + leaked(one[:length], 32, 0.2)

    first, second = judged(silero, as_line([one[:length]]), as_line([other]))

    assert {segment.source for segment in (*first, *second)} == {OWN}


def test_a_soft_short_answer_in_the_rhythm_of_the_question_is_heard(
    silero: Silero, agent: list[Pcm]
) -> None:
    word = agent[0][: round(0.6 * SECOND)]
    other = softer(np.concatenate([sounds.silence(0.2), word]), 14)
    one = np.concatenate([word, sounds.silence(0.2)])

    first, second = judged(silero, as_line([one]), as_line([other]))

    assert {segment.source for segment in (*first, *second)} == {OWN}


def test_a_short_leak_is_found_once_its_way_is_known(
    silero: Silero, agent: list[Pcm], customer: list[Pcm]
) -> None:
    short = agent[0][: round(0.6 * SECOND)]
    one, other = turns([short, agent[1], short], customer[:3])
    mixed = as_line([other + leaked(one, 20, 0.2)])

    _, second = judged(silero, as_line([one]), mixed)

    brief = [segment for segment in second if segment.span.end - segment.span.start < 1.6 * SECOND]
    assert brief[0].source is OWN  # better a word twice than a word lost
    assert brief[-1].source is CROSSTALK
    assert second[-1].source is OWN


def test_a_channel_without_levels_of_the_other_one_is_own(silero: Silero, agent: list[Pcm]) -> None:
    (only,) = judged(silero, as_line([agent[0]]))

    assert {segment.source for segment in only} == {OWN}
