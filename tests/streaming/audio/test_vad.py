from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from protocol.audio import Pcm
from streaming.audio.voice_activity.silero import (
    CONTEXT,
    WINDOW,
    Floats,
    Silero,
    VadQuery,
    VadResult,
)
from streaming.audio.voice_activity.ticks import Tick
from streaming.audio.voice_activity.vad import AnyDetector, available, new_detector
from streaming.audio.voice_activity.vad_choice import Vad

pytestmark = pytest.mark.usefixtures("audio_path")

TICK = 160


def voice(seconds: float, *, hertz: float = 140, seed: int = 1) -> Pcm:
    """A buzz with three formants: webrtcvad takes it for a voice."""
    at = np.arange(round(seconds * 8_000)) / 8_000
    harmonics = [(n * hertz, np.exp(-(((n * hertz - 600) / 900) ** 2))) for n in range(1, 20)]
    buzz = sum(weight * np.sin(2 * np.pi * f * at + f) for f, weight in harmonics)
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * at)
    breath = np.random.default_rng(seed).normal(0, 0.02, len(at))
    speech: Pcm = np.rint(3_000 * (swell * buzz + breath)).astype(np.int16)
    return speech


def silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * 8_000), dtype=np.int16)


@dataclass
class Asked:
    """A window, and the number of windows before it as the memory."""

    window: Floats
    memory: Floats


class Yes:
    """
    Returns voiced for every window; records the windows that it got, and counts them in the state that it
    returns.
    """

    def __init__(self, probability: float = 1.0) -> None:
        self.asked: list[Asked] = []
        self._probability = probability

    def predict(self, queries: Sequence[VadQuery]) -> list[VadResult]:
        return [self._judge_all(query) for query in queries]

    def judge(self, window: Floats) -> float:
        """The probability of speech in a window."""
        return self._probability

    def _judge_all(self, query: VadQuery) -> VadResult:
        probabilities = []
        for number, window in enumerate(query.windows):
            probabilities.append(self.judge(window))
            self.asked.append(Asked(window, query.memory + number))
        return VadResult(tuple(probabilities), query.memory + len(query.windows))


def ticks(
    detector: AnyDetector, pcm: Pcm, predict: Yes | Silero, *, piece: int = TICK
) -> list[Tick]:
    found = list[Tick]()
    for start in range(0, len(pcm), piece):
        detector.feed(pcm[start : start + piece])
        while query := detector.query:
            detector.apply(predict.predict([query])[0])
        found += detector.drain()
    return found


def test_this_installation_has_every_choice() -> None:
    assert available() == frozenset(Vad)


def test_one_channel_is_judged_the_same_in_any_company(silero: Silero) -> None:
    # given questions of three channels
    rng = np.random.default_rng(3)
    queries = [
        VadQuery(
            rng.normal(0, 0.1, (windows, CONTEXT + WINDOW)).astype(np.float32),
            rng.normal(0, 0.5, (2, 128)).astype(np.float32),
        )
        for windows in (1, 3, 2)
    ]

    # when they are judged together and alone
    together = silero.predict(queries)
    alone = [silero.predict([query])[0] for query in queries]

    # then nothing depends on the company
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert all(
        np.allclose(t.memory, a.memory, atol=1e-4) for t, a in zip(together, alone, strict=True)
    )


def test_windows_in_one_query_are_judged_as_one_after_the_other(silero: Silero) -> None:
    windows = np.random.default_rng(4).normal(0, 0.1, (10, CONTEXT + WINDOW)).astype(np.float32)
    memory = np.zeros((2, 128), dtype=np.float32)

    [together] = silero.predict([VadQuery(windows, memory)])

    for place, window in enumerate(windows):
        [result] = silero.predict([VadQuery(window[None], memory)])
        memory = result.memory
        assert result.probabilities[0] == pytest.approx(together.probabilities[place], abs=1e-5)
    assert np.allclose(memory, together.memory, atol=1e-4)


def test_nothing_asked_nothing_answered(silero: Silero) -> None:
    assert silero.predict([]) == []


def test_silence_and_white_noise_are_no_speech(silero: Silero) -> None:
    hiss = np.random.default_rng(5).normal(0, 1_000, 24_000).astype(np.int16)

    assert not any(t.voiced for t in ticks(new_detector(Vad.SILERO), silence(2), silero))
    assert not any(t.voiced for t in ticks(new_detector(Vad.SILERO), hiss, silero))


def test_silero_is_not_run_on_silence() -> None:
    predict = Yes()

    found = ticks(new_detector(Vad.BOTH), silence(2), predict)

    assert predict.asked == []
    assert [t.voiced for t in found] == [False] * 100


def test_silero_gets_the_audio_before_the_candidate() -> None:
    # given
    predict = Yes()
    detector = new_detector(Vad.BOTH)
    before = np.full(8_000, 7, dtype=np.int16)

    # when a voice begins after a second
    ticks(detector, np.concatenate([before, voice(0.2)]), predict)

    # then the first windows hold at least 250 ms of the audio before, with a fresh state
    assert (predict.asked[0].memory == 0).all()
    assert (predict.asked[1].memory == 1).all()
    warm = [q for q in predict.asked if (q.window == np.float32(7 / 32_768)).all()]
    assert len(warm) * WINDOW >= 2_000


def test_windows_follow_each_other_and_repeat_their_context() -> None:
    predict = Yes()
    ticks(new_detector(Vad.SILERO), voice(0.5), predict)

    for earlier, later in zip(predict.asked, predict.asked[1:], strict=False):
        assert (later.window[:CONTEXT] == earlier.window[-CONTEXT:]).all()


def test_both_must_agree() -> None:
    pcm = np.concatenate([silence(0.5), voice(1), silence(0.5)])

    alone = ticks(new_detector(Vad.WEBRTC), pcm, Yes())
    agreed = ticks(new_detector(Vad.BOTH), pcm, Yes())
    refused = ticks(new_detector(Vad.BOTH), pcm, Yes(probability=0.1))

    assert 40 <= sum(t.voiced for t in alone) <= 65
    assert [t.voiced for t in agreed] == [t.voiced for t in alone[: len(agreed)]]
    assert not any(t.voiced for t in refused)


def test_silero_is_let_go_when_both_are_quiet() -> None:
    # given speech that Silero confirmed, then silence that it confirms too
    class Fades(Yes):
        def judge(self, window: Floats) -> float:
            return float(np.abs(window).max() > 0.01)

    predict = Fades()
    detector = new_detector(Vad.BOTH)
    ticks(detector, np.concatenate([voice(0.5), silence(2)]), predict)

    # when the silence goes on
    asked = len(predict.asked)
    ticks(detector, silence(2), predict)

    # then Silero is not run any more
    assert len(predict.asked) == asked


def test_a_tick_is_judged_by_the_window_that_holds_its_last_sample() -> None:
    # given windows of which only the second, from sample 256 to 511, is believed
    class Second(Yes):
        def judge(self, window: Floats) -> float:
            return 1.0 if self.asked else 0.0

    # when
    found = ticks(new_detector(Vad.SILERO), voice(0.064), Second())

    # then the tick that ends at 160 is not voiced, the one that ends at 320 is
    assert [t.voiced for t in found] == [False, True, True]


def test_a_verdict_comes_at_most_32_ms_behind_its_tick() -> None:
    detector = new_detector(Vad.SILERO)
    predict = Yes()
    decided = 0

    for heard in range(40, 16_000, 40):
        decided += len(ticks(detector, voice(0.005), predict))
        assert heard - decided * TICK <= WINDOW + TICK


@pytest.mark.parametrize("vad", list(Vad))
@pytest.mark.parametrize("piece", [1, 97, 800, 24_000])
def test_ticks_do_not_depend_on_the_pieces(vad: Vad, piece: int) -> None:
    pcm = np.concatenate([silence(0.7), voice(0.9), silence(0.6), voice(0.2), silence(0.6)])

    assert ticks(new_detector(vad), pcm, Yes(), piece=piece) == ticks(new_detector(vad), pcm, Yes())


def test_the_level_of_a_tick_is_its_mean_power() -> None:
    pcm = np.concatenate([np.full(TICK, 100), np.full(TICK, -300)]).astype(np.int16)

    found = ticks(new_detector(Vad.WEBRTC), pcm, Yes())

    assert [t.level for t in found] == [10_000, 90_000]


def test_ticks_without_a_silero_result_can_be_decided_at_the_end() -> None:
    # given a voice whose last window is not complete
    detector = new_detector(Vad.SILERO)
    found = ticks(detector, voice(0.5)[: 25 * TICK], Yes())
    assert len(found) < 25

    # when the call ends
    detector.conclude()

    # then the rest is judged by the latest opinion
    assert [t.voiced for t in detector.drain()] == [True] * (25 - len(found))


def test_what_is_decided_at_the_end_needs_both_as_well() -> None:
    # given speech that both detect, and silence without a Silero result
    detector = new_detector(Vad.BOTH)
    ticks(detector, voice(0.5), Yes())
    detector.feed(silence(0.3))

    # when
    detector.conclude()

    # then
    assert not detector.drain()[-1].voiced


def test_silero_remembers_nothing_over_audio_that_does_not_exist() -> None:
    predict = Yes()
    detector = new_detector(Vad.SILERO)
    ticks(detector, voice(1)[: 48 * TICK], predict)
    detector.conclude()
    detector.drain()
    predict.asked.clear()

    detector.skip(1_000)
    ticks(detector, voice(0.2), predict)

    assert detector.heard == 1_048 * TICK + 1_600
    assert (predict.asked[0].memory == 0).all()
    assert (predict.asked[0].window[:CONTEXT] == 0).all()


def test_nothing_is_skipped_while_something_is_undecided() -> None:
    detector = new_detector(Vad.SILERO)
    detector.feed(voice(0.02))

    with pytest.raises(RuntimeError, match="conclude"):
        detector.skip(1)
