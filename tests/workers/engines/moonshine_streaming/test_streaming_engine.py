"""The engine on made models: partials of a growing utterance, and finals that depend on nothing that is kept."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

made_moonshine = pytest.importorskip("support.made_moonshine")

from workers.engines.base import (  # noqa: E402 - needs the optional extra
    Effort,
    EngineError,
    Hypothesis,
    Samples,
    Utterance,
)
from workers.engines.moonshine_streaming.decoder import StreamingDecoder  # noqa: E402
from workers.engines.moonshine_streaming.encoder import StreamingEncoder  # noqa: E402
from workers.engines.moonshine_streaming.engine import MoonshineStreaming  # noqa: E402
from workers.engines.moonshine_streaming.loading import load  # noqa: E402
from workers.engines.moonshine_streaming.open_utterances import OpenUtterances  # noqa: E402
from workers.engines.moonshine_streaming.settings import MoonshineStreamingSettings  # noqa: E402
from workers.engines.moonshine_streaming.spelling import spell  # noqa: E402

RATE, HALF = 16_000, 8_000
LONG = made_moonshine.speech(6.0, 11)


def partial(samples: Samples, key: str = "c:0-1") -> Utterance:
    return Utterance(samples, Effort.PARTIAL, key=key)


def heard(engine: MoonshineStreaming, utterance: Utterance) -> Hypothesis:
    (answer,) = engine.transcribe([utterance])
    return answer


def same(one: Hypothesis, other: Hypothesis) -> bool:
    """Equal words and flags; probabilities to rounding."""
    if (one.text, one.flags) != (other.text, other.flags):
        return False
    sure, others = ([word.confidence or 0.0 for word in each.words] for each in (one, other))
    return np.allclose(sure, others, atol=1e-4)


class Opened:
    """Open utterances of a model; counts the vectors that its encoder computes, in its first layer."""

    def __init__(self, model: Any, **limits: int) -> None:
        encoder = model.model.encoder
        self.utterances = OpenUtterances(
            StreamingEncoder(encoder), StreamingDecoder(model), **limits
        )
        self.vectors = 0
        self._hook = encoder.layers[0].self_attn.k_proj.register_forward_hook(self._count)

    def grow(self, key: str, samples: Samples) -> Any:
        """What is heard of an open utterance; sets `vectors`."""
        self.vectors, steps = 0, self.utterances.grown(key, samples)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return done.value

    def _count(self, *given: Any) -> None:
        self.vectors += len(given[1][0])


def test_partials_of_a_growing_utterance_are_those_of_its_audio_alone(
    engine: MoonshineStreaming,
) -> None:
    ends = range(HALF, len(LONG) + 1, 6_900)

    grown = [heard(engine, partial(LONG[:end])) for end in ends]

    alone = [heard(engine, partial(LONG[:end], key="")) for end in ends]
    assert all(map(same, grown, alone))
    assert len({one.text for one in grown}) > len(grown) / 2


def test_a_final_is_the_same_with_and_without_partials_before_it(
    engine: MoonshineStreaming,
) -> None:
    for end in range(RATE, len(LONG), RATE):
        heard(engine, partial(LONG[:end]))

    after_partials = heard(engine, Utterance(LONG, key="c:0-1"))

    assert same(after_partials, heard(engine, Utterance(LONG)))
    assert after_partials.words


def test_a_partial_encodes_only_what_is_new(vendor: Any) -> None:
    opened = Opened(vendor)
    sizes = []
    for end in range(HALF, len(LONG) + 1, HALF):
        opened.grow("c:0-1", LONG[:end])
        sizes.append(opened.vectors)

    assert sizes == [25] + [26] * (len(sizes) - 1)  # and what the resampler may still change


def test_resampled_audio_that_was_rounded_otherwise_is_the_same(vendor: Any) -> None:
    opened = Opened(vendor)
    opened.grow("c:0-1", LONG[:-HALF])

    opened.grow("c:0-1", LONG + np.float32(1 / 32_768))

    assert opened.vectors == 26


def test_other_audio_under_the_same_key_is_encoded_whole(vendor: Any) -> None:
    """Another gateway has taken the call over, and cuts it differently."""
    opened = Opened(vendor)
    opened.grow("c:0-1", LONG[: 3 * RATE])

    moved = opened.grow("c:0-1", -LONG[: 2 * RATE])

    assert opened.vectors == 100
    alone = Opened(vendor).grow("", -LONG[: 2 * RATE])
    np.testing.assert_allclose(moved.keys, alone.keys, atol=1e-5)


def test_utterances_are_kept_apart_and_those_without_a_key_not_at_all(vendor: Any) -> None:
    opened = Opened(vendor)
    sizes = []
    for key in ("c:0-1", "c:1-1", "", "", "c:0-1"):
        opened.grow(key, LONG[: 2 * RATE])
        sizes.append(opened.vectors)

    assert sizes == [100, 100, 100, 100, 1]


@pytest.mark.parametrize("limits", [{"most": 2}, {"most_bytes": 400_000}])
def test_only_some_utterances_are_kept_and_none_that_is_forgotten(
    vendor: Any, limits: dict[str, int]
) -> None:
    opened = Opened(vendor, **limits)
    for key in ("first", "second", "third"):
        opened.grow(key, LONG[: 2 * RATE])
    opened.utterances.forget("third")
    sizes = []
    for key in ("third", "first", "second"):
        opened.grow(key, LONG[: 2 * RATE])
        sizes.append(opened.vectors)

    assert sizes[:2] == [100, 100]


def test_a_final_ends_its_utterance_and_a_speculative_one_does_not(
    engine: MoonshineStreaming, vendor: Any
) -> None:
    open_, key = engine._open, "c:0-1"
    heard(engine, partial(LONG[: 2 * RATE]))

    heard(engine, Utterance(LONG[: 2 * RATE], key=key, speculative=True))
    kept = open_.draft(key)
    heard(engine, Utterance(LONG[: 2 * RATE], key=key))

    assert kept
    assert not open_.draft(key)


def test_long_audio_is_encoded_in_steps_between_which_finals_overtake(
    engine: MoonshineStreaming,
) -> None:
    long = np.tile(LONG, 3)
    expected = heard(engine, Utterance(long))

    steps, count = engine.steps(Utterance(long)), 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found = done.value
            break
        count += 1
        heard(engine, Utterance(LONG[:RATE]))  # another utterance between two steps

    assert found == expected
    assert count > len(long) / 80_000


def test_threads_that_advance_utterances_side_by_side_do_not_disturb_each_other(
    engine: MoonshineStreaming,
) -> None:
    clips = [made_moonshine.speech(2.0, 40 + number) for number in range(6)]

    def grown(number: int) -> list[Hypothesis]:
        ends = range(HALF, len(clips[number]) + 1, HALF)
        return [heard(engine, partial(clips[number][:end], f"c:{number}-1")) for end in ends]

    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(grown, range(len(clips))))

    alone = [grown(number) for number in range(len(clips))]
    assert all(
        same(*pair)
        for both in zip(together, alone, strict=True)
        for pair in zip(*both, strict=True)
    )


def test_words_have_probabilities_and_no_times(engine: MoonshineStreaming) -> None:
    words = heard(engine, Utterance(LONG)).words

    assert words
    assert all(0 < (word.confidence or 0) <= 1 for word in words)
    assert all(word.start is None and word.end is None for word in words)
    can = engine.capabilities
    assert (can.word_times, can.confidence, can.keywords) == (None, "token-probability", False)


def test_the_setting_names_the_language(babbling: Path) -> None:
    engine = load(MoonshineStreamingSettings(model=str(babbling), language="de"))

    assert engine.capabilities.languages == {"de"}
    assert heard(engine, Utterance(LONG, language="de")).words
    with pytest.raises(EngineError, match="does not know the language 'en'"):
        engine.transcribe([Utterance(LONG)])


def test_the_longest_utterance_follows_from_the_positions_of_the_model(babbling: Path) -> None:
    engine = load(MoonshineStreamingSettings(model=str(babbling), max_seconds=60))
    longest = np.tile(LONG, 6)[: 32 * RATE]

    assert engine.capabilities.max_seconds == 1_600 / 50
    assert heard(engine, Utterance(longest)).words


def test_a_token_belongs_to_the_word_that_the_text_up_to_it_ends_with() -> None:
    pieces = [" go", "od", " ", "by", "e", ".", "\n"]
    sure = [0.5, 0.5, 0.9, 0.8, 0.5, 0.25, 1.0]

    spelled = spell(lambda tokens: "".join(pieces[one] for one in tokens), range(7), sure)

    assert [(word.text, word.start, word.tokens) for word in spelled] == [
        ("good", 0, 3), ("bye.", 3, 4),
    ]  # fmt: skip
    np.testing.assert_allclose([word.probability for word in spelled], [0.225, 0.1])
