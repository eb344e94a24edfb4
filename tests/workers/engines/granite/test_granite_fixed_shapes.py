"""Encoder passes and prefills of a few fixed sizes give what exact sizes give; and there are few sizes."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from support.recorded import replayed

tiny_granite = pytest.importorskip("support.tiny_granite")
torch = tiny_granite.torch

from workers.engines.granite.acoustic import encoder_graphs  # noqa: E402 - needs the optional extra
from workers.engines.granite.acoustic.encoder_graphs import EncoderGraphs  # noqa: E402
from workers.engines.granite.text import prefill_graphs  # noqa: E402
from workers.engines.granite.text.decode import DecodeRow  # noqa: E402
from workers.engines.granite.text.prefill_graphs import PrefillGraphs  # noqa: E402

CPU = torch.device("cpu")


class Counting:
    """Counts recordings, and how often each of them is replayed."""

    def __init__(self) -> None:
        self.recordings = 0
        self.replays: Counter[int] = Counter()

    def __call__(self, act: Callable[[], Any], device: Any) -> Any:
        number, self.recordings = self.recordings, self.recordings + 1
        replay, results = replayed(act, device)

        def counted() -> None:
            self.replays[number] += 1
            replay()

        return counted, results


def features(parts: Any, dice: random.Random, count: int) -> list[Any]:
    seconds = [dice.choice([0.1, 0.5, 1.3, 2.0, 4.01, 7.9]) for _ in range(count)]
    clips = [tiny_granite.babble(one, number) for number, one in enumerate(seconds)]
    return list(parts.frontend.wholes(clips))


@pytest.mark.parametrize("operators", [True, False], ids=["operators", "torch"])
def test_the_encoder_of_fixed_sizes_hears_what_it_hears_of_each_clip_alone(
    parts: Any, operators: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    encoder, dice, capture = parts.frontend._encoder, random.Random(4), Counting()
    monkeypatch.setattr(encoder, "with_operators", operators)
    graphs = EncoderGraphs(encoder, CPU, capture)
    graphs.record_all()
    recorded = capture.recordings

    # when: batches of many sizes, one after another over the same places
    with torch.inference_mode():
        for count in [1, 3, 2, 6, 1, 4, 1]:
            batch = features(parts, dice, count)
            found = graphs.run(batch)

            # then
            assert found is not None
            alone = [encoder.hidden([clip])[0] for clip in batch]
            torch.testing.assert_close(found[0], torch.cat(alone), rtol=1e-4, atol=1e-5)
            scores = torch.cat(encoder.posteriors(alone))
            torch.testing.assert_close(found[1], scores, rtol=1e-4, atol=1e-4)
    assert capture.recordings == recorded  # none is recorded while segments run
    assert len(capture.replays) >= 3


def test_a_batch_that_is_too_long_runs_without_a_graph(parts: Any) -> None:
    graphs = EncoderGraphs(parts.frontend._encoder, CPU, replayed)
    graphs.record_all()
    clips = [torch.zeros(1_500, 160)] * 3

    assert graphs.run(clips) is None


@pytest.mark.parametrize("context", [1, 50, 200, 400])
def test_the_encoder_has_few_sizes(context: int) -> None:
    assert len(encoder_graphs.sizes(context)) <= 24


def test_a_context_as_in_the_real_model_has_a_size_for_each_usual_batch() -> None:
    made = encoder_graphs.sizes(200)
    for clips, seconds in [(1, 0.5), (1, 5), (1, 30), (4, 5), (8, 5), (8, 8), (32, 1.5)]:
        frames, blocks = round(clips * seconds * 50), clips * -(-round(seconds * 50) // 200)
        assert any(f >= frames and b > blocks for f, b in made), (clips, seconds)


@pytest.mark.parametrize("operators", [True, False], ids=["operators", "torch"])
def test_prefill_of_fixed_sizes_writes_the_same_texts(
    parts: Any, operators: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given: prompts of many lengths with drafts, of which some are longer than every size
    monkeypatch.setattr(parts.llm, "with_operators", operators)
    clips = [tiny_granite.babble(0.3 + number, number) for number in range(12)]
    audio = parts.frontend.audio_tokens(parts.frontend.encode(parts.frontend.wholes(clips)))
    prompts = [parts.prompts.prompt(one, "transcribe this", ()) for one in audio]
    rows = [
        DecodeRow(number, one, 9, (3, 4) if number % 3 else ())
        for number, one in enumerate(prompts)
    ]

    def texts(prefill: Any, cache: Any, stepper: Any) -> dict[int, tuple[int, ...]]:
        from workers.engines.granite.text.decode import BatchDecoder

        decoder = BatchDecoder(
            parts.llm, cache, stepper, frozenset(), cut_loops=False, prefill=prefill
        )
        dice, waiting, found = random.Random(6), list(rows), dict[int, tuple[int, ...]]()
        while waiting or decoder.running:
            count = min(dice.choice([0, 1, 2, 5]), decoder.free, len(waiting))
            if count:
                decoder.admit([waiting.pop() for _ in range(count)])
            found |= {one.ticket: one.tokens for one in decoder.step()}
        return found

    exact = parts.decoder_factory(7, 300, graphs=False)
    expected = texts(None, exact.cache, exact.stepper)

    # when
    capture = Counting()
    graphs = PrefillGraphs(parts.llm, exact.cache, capture)
    graphs.record_all()
    found = texts(graphs.prefill, exact.cache, exact.stepper)

    # then
    assert found == expected
    assert len(capture.replays) >= 3
    assert capture.recordings == graphs.recorded == len(prefill_graphs.sizes(7, 300))


def test_prefill_has_few_sizes() -> None:
    assert len(prefill_graphs.sizes(64, 1_500)) == 13


def test_without_recordings_everything_runs_as_before(parts: Any) -> None:
    def refused(_act: Callable[[], Any], _device: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    encoder = EncoderGraphs(parts.frontend._encoder, CPU, refused)
    encoder.record_all()
    cache = parts.llm.cache(2, 128)
    prefill = PrefillGraphs(parts.llm, cache, refused)
    prefill.record_all()

    assert encoder.run([torch.zeros(20, 160)]) is None
    with torch.inference_mode():
        states = prefill.prefill([parts.llm.embed([3, 4, 5])], range(1), cache)
    assert states[0].shape[0] == 3


def test_the_frontend_hears_the_same_with_recorded_passes(
    loaded: Any, tiny: Any, parts: Any
) -> None:
    recorded = loaded(tiny).frontend
    recorded.record(replayed)
    clips = [tiny_granite.spoken("one garden", 2), tiny_granite.babble(2.2, 3)]

    found = recorded.encode(recorded.wholes(clips))

    expected = parts.frontend.encode(parts.frontend.wholes(clips))
    for mine, theirs in zip(found, expected, strict=True):
        assert (mine.best == theirs.best).all()
        torch.testing.assert_close(mine.hidden, theirs.hidden, rtol=1e-4, atol=1e-5)
