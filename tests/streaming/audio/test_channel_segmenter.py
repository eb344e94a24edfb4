from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from support import sounds
from support.examples import examples
from support.wav import read_wav

from protocol.audio import Pcm
from protocol.events import Account, ChannelTotals, Span
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.endpointing import Reason
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.resampler import to_pcm
from streaming.audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
)
from streaming.audio.vad_runner import VadModel, run_vad, run_vad_single
from streaming.audio.voice_activity.silero import Silero, VadQuery, VadResult
from streaming.audio.voice_activity.vad_choice import Vad

pytestmark = pytest.mark.usefixtures("audio_path")

SECOND = 8_000


def hiss(seconds: float, *, seed: int = 1) -> Pcm:
    """Loud noise: webrtcvad detects it as speech, and every sample differs, so that positions can be compared."""
    return np.random.default_rng(seed).normal(0, 3_000, round(seconds * SECOND)).astype(np.int16)


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * SECOND), dtype=np.int16)


def drawing(text: str) -> Pcm:
    """`#` for a fifth of a second of voice, `.` for one of silence."""
    signs = [hiss(0.2, seed=n) if sign == "#" else silence(0.2) for n, sign in enumerate(text)]
    return np.concatenate(signs)


@dataclass(frozen=True)
class Line:
    """Prompts of a human voice on one channel, 1.2 s apart, and where each of them lies."""

    pcm: Pcm
    prompts: tuple[Span, ...]


@pytest.fixture(scope="module")
def line() -> Line:
    parts, spans = [silence(1.2)], []
    for path in sorted((Path(__file__).parents[2] / "speech" / "prompts").glob("*.wav")):
        _, (pcm,) = read_wav(path)
        at = sum(len(part) for part in parts)
        spans.append(Span(at, at + len(pcm)))
        parts += [pcm, silence(1.2)]
    return Line(np.concatenate(parts), tuple(spans))


class Believer:
    """Believes whatever is loud, and counts how often it was asked, and about how many."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        self.runs.append(len(queries))
        return [
            VadResult(tuple((np.abs(q.windows).max(axis=1) > 0.01).astype(float)), q.memory)
            for q in queries
        ]


@dataclass
class SegmenterOutput:
    """The output of one ChannelSegmenter."""

    spans: list[Span] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    audio: list[Pcm] = field(default_factory=list)
    paused: list[SegmentPaused] = field(default_factory=list)
    closed: list[SegmentClosed] = field(default_factory=list)


def heard(events: Sequence[SoundEvent], scale: int = 1) -> SegmenterOutput:
    """Put segments together as a worker does, and check the invariants of the events."""
    found = SegmenterOutput()
    start: int | None = None
    grown: list[Pcm] = []
    for event in events:
        assert event.number == len(found.spans), "numbers count from 0 without holes"
        match event:
            case SegmentOpened(_, at):
                assert start is None
                start, grown = at, []
            case SegmentGrew(_, pcm):
                assert start is not None
                grown.append(pcm)
            case SegmentPaused(_, span, samples):
                assert span.start == start
                assert samples == scale * (span.end - span.start) <= sum(map(len, grown))
                found.paused.append(event)
            case SegmentClosed(_, span, samples, reason):
                assert span.start == start
                audio = np.concatenate(grown)
                assert samples == scale * (span.end - span.start) <= len(audio)
                found.spans.append(span)
                found.reasons.append(reason)
                found.audio.append(audio[:samples])
                found.closed.append(event)
                start = None
    assert start is None, "every segment is closed at the end"
    return found


def whole(
    pcm: Pcm,
    *,
    pieces: Sequence[int] = (160,),
    vad: Vad = Vad.WEBRTC,
    rate: int = SECOND,
    endpointing: Endpointing | None = None,
    predict: VadModel | None = None,
) -> SegmenterOutput:
    """All events for `pcm`, fed in pieces."""
    segmenter = ChannelSegmenter(endpointing, vad=vad, rate=rate)
    predict = predict or Believer()
    events: list[SoundEvent] = []
    at = turn = 0
    while at < len(pcm):
        size = pieces[turn % len(pieces)]
        events += run_vad_single(segmenter, pcm[at : at + size], predict)
        at, turn = at + size, turn + 1
    return heard(events + segmenter.finish(), rate // SECOND)


def same(one: SegmenterOutput, other: SegmenterOutput) -> bool:
    return (one.spans, one.reasons) == (other.spans, other.reasons) and all(
        (a == b).all() for a, b in zip(one.audio, other.audio, strict=True)
    )


def test_a_word_becomes_a_segment_with_its_surroundings() -> None:
    found = whole(drawing("....####....."))

    (span,) = found.spans
    assert span.start == pytest.approx(0.8 * SECOND - 2_400, abs=320)
    # webrtcvad itself goes on for about 100 ms.
    assert span.end == pytest.approx(1.6 * SECOND + 3_200 + 800, abs=320)
    assert found.reasons == [Reason.PAUSE]


def test_silence_says_nothing() -> None:
    assert whole(drawing(".........")).spans == []


def test_the_engine_transcribes_what_was_said() -> None:
    # given
    pcm = drawing("....####.....")

    # when
    found = whole(pcm)

    # then it is the segment's own audio
    (span,), (audio,) = found.spans, found.audio
    assert np.array_equal(audio, pcm[span.start : span.end])


def test_a_hangup_in_mid_word_keeps_every_sample() -> None:
    # given a call that ends inside a tick
    pcm = np.concatenate([silence(0.5), hiss(1.2345)])

    # when
    found = whole(pcm)

    # then
    assert found.reasons == [Reason.FINISHED]
    assert found.spans[0].end == len(pcm)


def test_words_asked_for_now_split_without_loss() -> None:
    # given a request for the words in mid-word, inside a tick
    segmenter = ChannelSegmenter(vad=Vad.WEBRTC)
    events = run_vad_single(segmenter, hiss(1.005))
    events += segmenter.finish()

    # when they go on
    events += run_vad_single(segmenter, hiss(1, seed=2)) + segmenter.finish()

    # then two segments touch
    first, second = heard(events).spans
    assert first.end == second.start == 8_040
    assert second.end == 16_040


def test_speech_without_end_is_cut_and_nothing_is_lost_or_doubled() -> None:
    # given half a minute of voice
    pcm = hiss(30)

    # when
    found = whole(pcm)

    # then the segments touch each other, and none is too long
    assert found.reasons[:-1] == [Reason.LENGTH] * (len(found.spans) - 1)
    assert found.spans[0].start == 0
    assert found.spans[-1].end == len(pcm)
    for earlier, later in zip(found.spans, found.spans[1:], strict=False):
        assert earlier.end == later.start
    assert max(span.end - span.start for span in found.spans) <= 12 * SECOND

    # and at the cuts the audio is unchanged
    assert np.array_equal(np.concatenate(found.audio), pcm)


def test_both_rates_of_a_bridge_give_the_same_segments() -> None:
    pcm = drawing("....####.....##....##########.....")
    wide = to_pcm(soxr.resample(pcm.astype(np.float32), 8_000, 16_000, quality=soxr.VHQ))

    narrow, broad = whole(pcm), whole(wide, rate=16_000)

    for one, other in zip(narrow.spans, broad.spans, strict=True):
        assert one.start == pytest.approx(other.start, abs=320)
        assert one.end == pytest.approx(other.end, abs=320)


def test_sixteen_kilohertz_reach_the_engine_untouched() -> None:
    wide = np.repeat(drawing("....####....."), 2)

    found = whole(wide, rate=16_000, pieces=[321])

    (span,), (audio,) = found.spans, found.audio
    assert (audio == wide[2 * span.start : 2 * span.end]).all()


def test_other_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="11025"):
        ChannelSegmenter(rate=11_025)


def test_a_call_may_have_its_own_hangover() -> None:
    pcm = drawing("..###...###.......")

    patient = whole(pcm, endpointing=Endpointing().with_hangover(1_000))
    hasty = whole(pcm, endpointing=Endpointing().with_hangover(200))

    assert len(patient.spans) == 1
    assert len(hasty.spans) == 2


speech = st.lists(st.tuples(st.booleans(), st.integers(100, 14_000)), min_size=1, max_size=6).map(
    lambda runs: np.concatenate(
        [hiss(n / SECOND, seed=n) if loud else silence(n / SECOND) for loud, n in runs]
    )
)


@settings(deadline=None, max_examples=examples(25))
@given(
    pcm=speech,
    pieces=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
    vad=st.sampled_from(Vad),
    rate=st.sampled_from([8_000, 16_000]),
)
def test_segments_do_not_depend_on_how_the_audio_was_cut(
    pcm: Pcm, pieces: list[int], vad: Vad, rate: int
) -> None:
    assert same(whole(pcm, vad=vad, rate=rate, pieces=pieces), whole(pcm, vad=vad, rate=rate))


@settings(deadline=None, max_examples=examples(25))
@given(pcm=speech, pieces=st.lists(st.integers(80, 5_000), min_size=1, max_size=4))
def test_every_sample_is_in_one_segment_or_in_the_silence_between(
    pcm: Pcm, pieces: list[int]
) -> None:
    found = whole(pcm, pieces=pieces)

    edges = [0, *(edge for span in found.spans for edge in (span.start, span.end)), len(pcm)]
    assert edges == sorted(edges)


def test_speech_is_reported_within_a_quarter_of_a_second() -> None:
    segmenter = ChannelSegmenter(vad=Vad.BOTH)
    predict = Believer()
    told = start = 0
    pcm = hiss(8)

    for at in range(0, len(pcm), 160):
        for event in run_vad_single(segmenter, pcm[at : at + 160], predict):
            match event:
                case SegmentOpened(_, start):
                    pass
                case SegmentGrew(_, grown):
                    told += len(grown)
                case _:
                    pass
        if told:
            assert at + 160 - (start + told) <= 1_000


def test_all_segmenters_are_batched_in_one_vad_run() -> None:
    # given three channels that speak, and one that does not
    segmenters = [ChannelSegmenter(vad=Vad.BOTH) for _ in range(4)]
    for n, segmenter in enumerate(segmenters):
        segmenter.feed(silence(1) if n == 3 else hiss(1, seed=n))
    predict = Believer()

    # when
    run_vad(segmenters, predict)

    # then
    assert set(predict.runs) == {3}


def test_company_changes_nothing() -> None:
    # given three channels
    channels = [drawing("..##....."), drawing("...####.."), drawing("#########")]
    segmenters = [ChannelSegmenter(vad=Vad.BOTH) for _ in channels]
    events: list[list[SoundEvent]] = [[], [], []]

    # when both are processed together
    for at in range(0, len(channels[0]), 160):
        for segmenter, pcm in zip(segmenters, channels, strict=True):
            segmenter.feed(pcm[at : at + 160])
        for channel, new in enumerate(run_vad(segmenters, Believer())):
            events[channel] += new
    for channel, segmenter in enumerate(segmenters):
        events[channel] += segmenter.finish()

    # then each gives the same events as alone
    for pcm, together in zip(channels, events, strict=True):
        assert same(heard(together), whole(pcm, vad=Vad.BOTH))


def test_a_flood_on_one_channel_is_worked_off_in_turns() -> None:
    segmenter = ChannelSegmenter(vad=Vad.BOTH)
    segmenter.feed(hiss(20))
    predict = Believer()

    run_vad([segmenter], predict, rounds=5)

    assert len(predict.runs) == 5
    assert segmenter.query is not None


def test_running_vad_without_the_silero_it_needs_is_an_error() -> None:
    segmenter = ChannelSegmenter(vad=Vad.BOTH)
    segmenter.feed(hiss(1))

    with pytest.raises(RuntimeError, match="Silero"):
        run_vad([segmenter], None)


def test_a_short_loss_is_silence_inside_the_segment() -> None:
    segmenter = ChannelSegmenter(vad=Vad.WEBRTC)
    events = run_vad_single(segmenter, hiss(1))
    segmenter.lose(800)
    events += run_vad_single(segmenter, hiss(1)) + segmenter.finish()

    (span,) = heard(events).spans
    assert span == Span(0, 16_800)
    assert segmenter.totals == ChannelTotals(transcribed=16_000, lost_upstream=800)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_a_long_loss_ends_the_segment_and_costs_nothing(rate: int) -> None:
    # given
    segmenter = ChannelSegmenter(vad=Vad.BOTH, rate=rate)
    predict = Believer()
    scale = rate // 8_000
    events = run_vad_single(segmenter, hiss(scale * 1.0055), predict)

    # when three hours are missing
    segmenter.lose(scale * 3 * 3_600 * SECOND, Account.PAUSED)
    events += run_vad_single(segmenter, hiss(scale * 1), predict) + segmenter.finish()

    # then the segment ends with its last sample, and the next begins behind the gap
    before, after = heard(events, scale).spans
    assert 8_000 <= before.end <= 8_200
    assert after.start == pytest.approx(3 * 3_600 * SECOND + 8_044, abs=160)
    assert after.end == 3 * 3_600 * SECOND + 16_044
    assert segmenter.totals.paused == 3 * 3_600 * SECOND
    assert len(predict.runs) < 200


@pytest.mark.parametrize("account", [Account.TRANSCRIBED, Account.SILENCE, Account.WITHHELD])
def test_audio_is_not_lost_under_an_account_that_would_not_count_it(account: Account) -> None:
    segmenter = ChannelSegmenter(vad=Vad.WEBRTC)

    with pytest.raises(ValueError, match=account):
        segmenter.lose(160, account)

    assert segmenter.heard == 0


@settings(deadline=None, max_examples=examples(30))
@given(
    st.lists(
        st.tuples(st.sampled_from(["voice", "silence", *Account]), st.integers(1, 20_000)).filter(
            lambda part: part[0] not in (Account.TRANSCRIBED, Account.SILENCE, Account.WITHHELD)
        ),
        max_size=8,
    )
)
def test_the_account_adds_up(parts: list[tuple[str, int]]) -> None:
    segmenter = ChannelSegmenter(vad=Vad.WEBRTC)
    events: list[SoundEvent] = []
    for what, samples in parts:
        match what:
            case "voice" | "silence":
                pcm = hiss(samples / SECOND) if what == "voice" else silence(samples / SECOND)
                events += run_vad_single(segmenter, pcm)
            case _:
                segmenter.lose(samples, Account(what))
    events += segmenter.finish()

    totals = segmenter.totals
    spans = heard(events).spans
    lost = {account: sum(n for what, n in parts if what == account) for account in Account}
    assert totals.paused == lost[Account.PAUSED]
    assert totals.lost_upstream == lost[Account.LOST_UPSTREAM]
    assert totals.shed == lost[Account.SHED]
    assert 0 <= totals.transcribed <= sum(span.end - span.start for span in spans)
    assert totals.silence >= 0
    assert (
        segmenter.heard
        == sum(n for _, n in parts)
        == (
            totals.transcribed + totals.silence + totals.paused + totals.lost_upstream + totals.shed
        )
    )


def overlap(one: Span, other: Span) -> int:
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def test_in_loud_noise_webrtcvad_alone_detects_endless_speech(line: Line) -> None:
    noisy = sounds.mix(line.pcm, sounds.white_noise(60), snr_db=5)

    alone = whole(noisy, vad=Vad.WEBRTC)

    # This is why there are two: hardly a pause is found, and nearly all silence is taken for speech.
    assert alone.reasons.count(Reason.PAUSE) < len(line.prompts) / 3
    assert sum(span.end - span.start for span in alone.spans) > 0.9 * len(noisy)


@pytest.mark.parametrize("snr_db", [40, 15, 5])
@pytest.mark.parametrize("colour", [sounds.white_noise, sounds.pink_noise])
def test_both_together_find_every_prompt_in_noise(
    line: Line, silero: Silero, snr_db: float, colour: Callable[[float], Pcm]
) -> None:
    noisy = sounds.mix(line.pcm, colour(60), snr_db)

    both = whole(noisy, vad=Vad.BOTH, predict=silero, pieces=[800])

    # Every prompt is inside segments, all but its silent edges; no segment holds two; none holds nothing.
    for prompt in line.prompts:
        assert sum(overlap(prompt, span) for span in both.spans) > 0.85 * (
            prompt.end - prompt.start
        )
    for span in both.spans:
        assert sum(overlap(prompt, span) > 800 for prompt in line.prompts) == 1
    assert len(both.spans) <= len(line.prompts) + 2


@pytest.mark.parametrize(
    "pcm",
    [
        pytest.param(sounds.ringback(8), id="ringback"),
        pytest.param(sounds.comfort_noise(8), id="comfort noise"),
        pytest.param(sounds.white_noise(8, dbfs=-20), id="hiss"),
        pytest.param(sounds.pink_noise(8, dbfs=-20), id="a loud room"),
        pytest.param(np.concatenate([sounds.dtmf(key, 0.3) for key in "5551234"]), id="keys"),
        pytest.param(sounds.music(8), id="hold music"),
    ],
)
def test_the_line_itself_is_not_speech(pcm: Pcm, silero: Silero) -> None:
    assert whole(pcm, vad=Vad.BOTH, predict=silero).spans == []
