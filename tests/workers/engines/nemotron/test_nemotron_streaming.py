"""The state of growing utterances: every way to cut the audio gives the tokens of transformers' own `generate`."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tiny_nemotron = pytest.importorskip("support.tiny_nemotron")

import torch  # noqa: E402

from workers.engines.base import Effort, Samples, Utterance  # noqa: E402
from workers.engines.nemotron.engine import Nemotron  # noqa: E402
from workers.engines.nemotron.open_utterances import OpenUtterances  # noqa: E402
from workers.engines.nemotron.streaming_encoder import StreamingEncoder  # noqa: E402
from workers.engines.nemotron.transducer import Emission, Transducer  # noqa: E402

RATE, FRAME = 16_000, 1_280
CHUNKS = {80: 0, 320: 3, 560: 6, 1120: 13}
"""Lookahead by the length of a chunk in milliseconds."""


class CountedEncoder(StreamingEncoder):
    """Counts the frames that it encodes."""

    frames = 0

    def encode(self, state: Any, samples: Samples, frames: int, prompt: int) -> Any:
        self.frames += frames
        return super().encode(state, samples, frames, prompt)


@pytest.fixture(scope="session")
def vendor(checkpoints: Path) -> Any:
    return tiny_nemotron.reference(checkpoints / "babbling")


@pytest.fixture(
    scope="module",
    params=[80, 320, 560, 1120],
)
def chunk_ms(request: pytest.FixtureRequest) -> int:
    length: int = request.param
    return length


@pytest.fixture(scope="module")
def engine(loaded: Callable[..., Nemotron], chunk_ms: int) -> Nemotron:
    return loaded("babbling", chunk_ms=chunk_ms)


def emitted(steps: Generator[None, None, list[Emission]]) -> list[Emission]:
    try:
        while True:
            next(steps)
    except StopIteration as done:
        found: list[Emission] = done.value
        return found


def tokens(
    engine: Nemotron, samples: Samples, effort: Effort = Effort.FINAL, **more: Any
) -> list[int]:
    """What the engine finds before words are made of it."""
    return [one.token for one in emitted(engine._emissions(Utterance(samples, effort, **more)))]


def generated(vendor: Any, features: Any, lookahead: int, language: str) -> list[int]:
    """The tokens of transformers' `generate`; `features`: all of them, or a generator of chunks."""
    processor, model = vendor
    prompts = torch.tensor([processor.prompt_dictionary[language]])
    with torch.inference_mode():
        found = model.generate(
            input_features=features, num_lookahead_tokens=lookahead, prompt_ids=prompts
        ).sequences[0]
    return [int(one) for one in found if int(one) != model.config.blank_token_id]


def whole_frames(samples: Samples) -> Samples:
    """With silence up to the end of the last frame: 8 n + 1 frames of 10 ms, as the encoder counts them."""
    frames = -(-(len(samples) - 200) // FRAME) + 1
    return np.pad(samples, (0, (8 * (frames - 1) + 1) * 160 - len(samples)))


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_final_has_the_tokens_of_generate_on_all_of_the_audio(
    engine: Nemotron, vendor: Any, chunk_ms: int, language: str
) -> None:
    samples = tiny_nemotron.babble(7.3, 4)
    made = vendor[0](whole_frames(samples), sampling_rate=RATE, return_tensors="pt")
    prompt = torch.tensor([vendor[0].prompt_dictionary[{"de": "de-DE"}.get(language, language)]])
    with torch.inference_mode():
        found = vendor[1].generate(
            input_features=made["input_features"], attention_mask=made["attention_mask"],
            num_lookahead_tokens=CHUNKS[chunk_ms], prompt_ids=prompt,
        ).sequences[0]  # fmt: skip

    assert tokens(engine, samples, language=language) == [
        int(one) for one in found if int(one) != vendor[1].config.blank_token_id
    ]


def test_a_partial_of_whole_chunks_has_the_tokens_of_generate_on_a_stream(
    engine: Nemotron, vendor: Any, chunk_ms: int
) -> None:
    lookahead = CHUNKS[chunk_ms]
    per_chunk = lookahead + 1
    frames = 84
    assert frames % per_chunk == 0
    samples = tiny_nemotron.babble(((frames - 1) * FRAME + 200) / RATE, 5)
    padded = np.pad(samples, (0, 160))
    mel = vendor[0](padded, sampling_rate=RATE, return_tensors="pt")["input_features"]
    cuts = [0, *range(1 + 8 * lookahead, 8 * frames, 8 * per_chunk)]
    stream = (mel[:, begin:end] for begin, end in pairwise(cuts))

    assert tokens(engine, samples, Effort.PARTIAL) == generated(vendor, stream, lookahead, "en")


@pytest.mark.parametrize("seed", range(2))
def test_a_final_is_the_same_with_and_without_the_state_of_partials_of_any_length(
    engine: Nemotron, seed: int
) -> None:
    samples, dice = tiny_nemotron.babble(4.3, seed), np.random.default_rng(seed)
    ends = sorted(int(one) for one in dice.integers(1_600, len(samples), 4))
    for end in ends:
        grown = tokens(engine, samples[:end], Effort.PARTIAL, key="one")
        assert grown == tokens(engine, samples[:end], Effort.PARTIAL)

    assert engine.open_count == 1
    assert tokens(engine, samples, key="one") == tokens(engine, samples)
    assert engine.open_count == 0


def test_a_speculative_final_keeps_the_state_for_the_speech_that_may_follow(
    engine: Nemotron,
) -> None:
    samples = tiny_nemotron.babble(5.0, 7)
    draft = samples[: 3 * RATE]

    assert tokens(engine, draft, key="one", speculative=True) == tokens(engine, draft)
    assert engine.open_count == 1
    assert tokens(engine, samples, key="one") == tokens(engine, samples)


def counted(
    checkpoints: Path, vendor: Any, loaded: Callable[..., Nemotron]
) -> tuple[Nemotron, CountedEncoder]:
    plain = loaded("babbling")
    encoder = CountedEncoder(vendor[1], plain._encoder._features, 6)
    engine = Nemotron(encoder, Transducer(vendor[1]), plain._tokenizer, {"en": 0}, "counted", 2)
    return engine, encoder


def partials(
    engine: Nemotron, encoder: CountedEncoder, key: str, ends: Sequence[int], samples: Samples
) -> list[int]:
    """The frames that each of the partials encodes."""
    frames = []
    for end in ends:
        before = encoder.frames
        tokens(engine, samples[:end], Effort.PARTIAL, key=key)
        frames.append(encoder.frames - before)
    return frames


def test_a_partial_encodes_what_is_new_and_the_unfinished_chunk(
    checkpoints: Path, vendor: Any, loaded: Callable[..., Nemotron]
) -> None:
    engine, encoder = counted(checkpoints, vendor, loaded)
    ends = [round(0.5 * RATE * number) for number in range(1, 13)]
    samples = tiny_nemotron.babble(6.0, 3)

    with_state = partials(engine, encoder, "kept", ends, samples)
    without = partials(engine, encoder, "", ends, samples)

    assert max(with_state) <= 2 * encoder.chunk
    assert without == [encoder.complete_frames(end) for end in ends]


def test_what_is_kept_is_bounded_and_what_grew_longest_ago_goes_first(
    checkpoints: Path, vendor: Any, loaded: Callable[..., Nemotron]
) -> None:
    engine, encoder = counted(checkpoints, vendor, loaded)
    samples = tiny_nemotron.babble(4.0, 3)
    for key in ("a", "b", "c"):
        partials(engine, encoder, key, [2 * RATE], samples)

    assert engine.open_count == 2
    assert partials(engine, encoder, "a", [4 * RATE], samples) == [
        encoder.complete_frames(4 * RATE)
    ]
    assert (
        partials(engine, encoder, "c", [4 * RATE], samples)[0]
        < encoder.complete_frames(4 * RATE) * 2 / 3
    )


def test_without_provisional_words_a_partial_shows_whole_chunks_and_a_final_all(
    loaded: Callable[..., Nemotron], vendor: Any
) -> None:
    engine, whole = loaded("babbling", provisional=False), loaded("babbling")
    samples = tiny_nemotron.babble(3.0, 6)
    chunks = engine._encoder.heard(35)

    partial = tokens(engine, samples, Effort.PARTIAL, key="one")

    assert partial == tokens(whole, samples[:chunks], Effort.PARTIAL)
    assert partial != tokens(whole, samples, Effort.PARTIAL)
    assert tokens(engine, samples, key="one") == tokens(whole, samples)


@pytest.mark.parametrize("change", ["other speech", "shorter", "other language"])
def test_what_does_not_continue_is_not_used(engine: Nemotron, change: str) -> None:
    samples, language = tiny_nemotron.babble(4.0, 8), "en"
    tokens(engine, samples, Effort.PARTIAL, key="one")
    match change:
        case "other speech":
            samples = tiny_nemotron.babble(5.0, 9)
        case "shorter":
            samples = samples[: 2 * RATE]
        case _:
            language = "de"

    found = tokens(engine, samples, Effort.PARTIAL, key="one", language=language)

    assert found == tokens(engine, samples, Effort.PARTIAL, language=language)


def test_a_partial_that_is_left_between_two_steps_keeps_what_it_has_done(
    loaded: Callable[..., Nemotron],
) -> None:
    engine, samples = loaded("babbling"), tiny_nemotron.babble(12.0, 2)
    left = engine.steps(Utterance(samples, Effort.PARTIAL, key="one"))
    next(left)
    left.close()

    assert engine.open_count == 1
    assert tokens(engine, samples, key="one") == tokens(engine, samples)


def test_threads_that_advance_other_utterances_change_nothing(
    loaded: Callable[..., Nemotron],
) -> None:
    engine = loaded("babbling", open_utterances=1)
    clips = [tiny_nemotron.babble(4.0, seed) for seed in range(3)]

    def spoken(number: int) -> list[list[int]]:
        samples, key = clips[number], str(number)
        ends = (RATE, 2 * RATE, 3 * RATE)
        partials = [tokens(engine, samples[:end], Effort.PARTIAL, key=key) for end in ends]
        return [*partials, tokens(engine, samples, key=key)]

    alone = [spoken(number) for number in range(3)]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(spoken, range(3)))

    assert together == alone


def test_the_first_chunk_must_be_complete_before_anything_is_kept() -> None:
    assert OpenUtterances(1).take("none", np.zeros(1, np.float32), 0) is None
