"""Partials of growing audio against the CTC text of the whole segment."""

from typing import Any

import numpy as np
import pytest

from workers.engines.base import Hypothesis

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.acoustic.block_cache import BlockCache  # noqa: E402 - needs the optional extra
from workers.engines.granite.acoustic.ctc import emissions, text_of, words_of  # noqa: E402
from workers.engines.granite.acoustic.frontend import AcousticFrontend  # noqa: E402
from workers.engines.granite.acoustic.mel import Mel, frames_in  # noqa: E402

MOVED = 0.02
"""Bound of the change that block caching causes in the probability of a frame, out of 1."""

LONG = [4.0, 4.1, 8.3, 12.0, 17.7, 24.9]


class CountingFrontend:
    """A frontend with its own cache, which records how much audio it had to encode."""

    def __init__(self, parts: Any) -> None:
        self.frontend: AcousticFrontend = parts.frontend
        self.cache = BlockCache(Mel.on(torch.device("cpu")), torch.device("cpu"), 200)
        self.frames: list[int] = []
        self.kept: list[Any] = []

    def partial(self, key: str, samples: Any) -> Hypothesis:
        window = self.cache.window(key, samples)
        self.frames.append(len(window.features))
        heard = self.frontend.encode([window.features])[0]
        return self.cache.apply(window, heard.best, heard.probabilities)


@pytest.fixture
def listener(parts: Any) -> CountingFrontend:
    return CountingFrontend(parts)


def whole(parts: Any, samples: Any) -> Any:
    return parts.frontend.encode([parts.frontend.whole(samples)])[0]


def grown(listener: CountingFrontend, samples: Any, key: str, every: int) -> Hypothesis:
    made = Hypothesis()
    for end in [*range(every, len(samples), every), len(samples)]:
        made = listener.partial(key, samples[:end])
    return made


@pytest.mark.parametrize("seconds", LONG)
@pytest.mark.parametrize(
    "every",
    [
        pytest.param(8_000, id="each-0.5s", marks=pytest.mark.long),
        pytest.param(4_960, id="each-0.31s"),
    ],
)
def test_the_last_partial_is_the_text_of_the_whole_segment(
    parts: Any, listener: CountingFrontend, seconds: float, every: int
) -> None:
    samples = tiny_granite.babble(seconds, round(seconds * 10))

    partial = grown(listener, samples, "a", every)

    expected = whole(parts, samples)
    assert partial.text.split() == text_of(emissions(expected.best, expected.probabilities)).split()


@pytest.mark.long
def test_the_error_of_block_caching_is_small_and_bounded(
    parts: Any, listener: CountingFrontend
) -> None:
    """
    Measured over a minute of babble: which frames say something else, and how far probabilities move.

    Random weights understate what trained ones leak over the edges of blocks; the way to measure it with the
    real ones is this test with another checkpoint.
    """
    others, moved, frames = 0, 0.0, 0
    for seed in range(4):
        samples = tiny_granite.babble(15.3, 100 + seed)
        grown(listener, samples, str(seed), 8_000)
        kept = listener.cache._heard[str(seed)]
        expected = whole(parts, samples)
        others += int((kept.labels != expected.best).sum())
        moved = max(moved, float(np.abs(kept.probabilities - expected.probabilities).max()))
        frames += len(expected.best)

    assert frames == 4 * frames_in(round(15.3 * 16_000))
    assert others <= 0.002 * frames
    assert moved < MOVED


def test_a_window_without_its_left_neighbour_would_be_worse(
    parts: Any, listener: CountingFrontend
) -> None:
    """Tests the test: encoding only the open block changes the result at its start by far more."""
    samples = tiny_granite.babble(8.0, 3)
    head = slice(200, 220)
    expected = whole(parts, samples).probabilities[head]

    grown(listener, samples, "a", 8_000)
    alone = parts.frontend.encode([parts.frontend.whole(samples)[200:]])[0].probabilities[:20]

    cached = listener.cache._heard["a"].probabilities[head]
    assert np.abs(alone - expected).mean() > 5 * np.abs(cached - expected).mean()


def test_a_partial_encodes_two_blocks_and_three_once_in_each_block(
    listener: CountingFrontend,
) -> None:
    samples = tiny_granite.babble(28.0, 9)

    grown(listener, samples, "a", 8_000)

    assert max(listener.frames) <= 3 * 200
    late = listener.frames[len(listener.frames) // 2 :]
    assert sum(count > 400 for count in late) <= len(late) // 8 + 1


def test_partials_may_come_rarely_or_not_at_all_for_a_while(
    parts: Any, listener: CountingFrontend
) -> None:
    samples = tiny_granite.babble(20.0, 4)

    for end in (16_000, 240_000, len(samples)):
        partial = listener.partial("a", samples[:end])

    expected = whole(parts, samples)
    assert (
        partial.text
        == Hypothesis(words_of(emissions(expected.best, expected.probabilities), 10**9)).text
    )


def test_words_agreed_by_two_successive_partials_are_stable(listener: CountingFrontend) -> None:
    samples = tiny_granite.spoken("go on big storm is near", 2)

    first = listener.partial("a", samples[:32_000])
    second = listener.partial("a", samples[:48_000])

    assert first.flags == ("stable:0",)
    stable = int(second.flags[0].removeprefix("stable:"))
    assert stable >= 2
    assert [w.text for w in second.words[:stable]] == [w.text for w in first.words[:stable]]


def test_the_same_key_with_other_audio_begins_anew(parts: Any, listener: CountingFrontend) -> None:
    grown(listener, tiny_granite.babble(10.0, 1), "a", 8_000)
    other = tiny_granite.babble(9.0, 2)

    partial = listener.partial("a", other)

    expected = whole(parts, other)
    assert (
        partial.text
        == Hypothesis(words_of(emissions(expected.best, expected.probabilities), 10**9)).text
    )
    assert partial.flags == ("stable:0",)


def test_memory_is_bounded(parts: Any) -> None:
    cache = BlockCache(Mel.on(torch.device("cpu")), torch.device("cpu"), 200, most=3)
    for number in range(10):
        window = cache.window(str(number), tiny_granite.silence(0.5))
        heard = parts.frontend.encode([window.features])[0]
        cache.apply(window, heard.best, heard.probabilities)

    assert len(cache) == 3


def test_louder_audio_later_lowers_no_floor_unseen(parts: Any, listener: CountingFrontend) -> None:
    """The floor of the features depends on the loudest moment so far, even if that was long ago."""
    loud = tiny_granite.babble(4.5, 5) * 8
    quiet = tiny_granite.babble(9.0, 6) * 0.003
    samples = np.concatenate([loud, quiet]).astype(np.float32)

    partial = grown(listener, samples, "a", 8_000)

    expected = whole(parts, samples)
    assert (
        partial.text
        == Hypothesis(words_of(emissions(expected.best, expected.probabilities), 10**9)).text
    )
