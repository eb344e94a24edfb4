"""The speech before a final as its context: what audio and text the search gets, and what it returns."""

import string
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.base import Effort, PreviousSpeech, Utterance
from workers.engines.moonshine.left_context import (
    Continued,
    context_of,
    prefix_of,
    without_first_signs,
)
from workers.engines.moonshine.tokens import START, Spelled, Vocabulary

LONGEST = 240_000
SIGNS = (*string.ascii_letters, *".,?!;:'")
PIECES = (b"", b"", b"", *(bytes([code]) for code in range(256)), "▁".encode())
VOCABULARY = Vocabulary(
    (*PIECES, *(sign.encode() for sign in SIGNS)),
    {piece: token for token, piece in enumerate((*PIECES, *(s.encode() for s in SIGNS)))},
)


def counting(start: int, length: int) -> np.ndarray:
    """Samples that are their own positions."""
    return np.arange(start, start + length, dtype=np.float32)


def final(samples: int, before: PreviousSpeech | None, effort: Effort = Effort.FINAL) -> Utterance:
    return Utterance(counting(0, samples), effort, before=before)


def test_a_pause_between_the_speech_before_and_a_final_is_shortened() -> None:
    before = PreviousSpeech(counting(100_000, 32_000), "Ask not.")

    context = context_of(final(16_000, before), VOCABULARY, LONGEST)

    assert context is not None
    assert context.samples.tolist() == [
        *range(100_000, 100_000 + 32_000 - 4_800), *range(3_200, 16_000)
    ]  # fmt: skip
    assert context.samples[context.start + 3_200] == 3_200


def test_speech_that_was_cut_is_joined_without_a_gap() -> None:
    before = PreviousSpeech(counting(-32_000, 32_000), "Ask not.", adjoins=True)

    context = context_of(final(16_000, before), VOCABULARY, LONGEST)

    assert context is not None
    assert context.samples.tolist() == list(range(-32_000, 16_000))
    assert context.start == 32_000


@pytest.mark.parametrize(
    ("samples", "before", "effort"),
    [
        (16_000, None, Effort.FINAL),
        (16_000, PreviousSpeech(counting(0, 32_000), "Ask not."), Effort.PARTIAL),
        (16_000, PreviousSpeech(counting(0, 32_000), " .. "), Effort.FINAL),
        (16_000, PreviousSpeech(counting(0, 4_000), "Ask"), Effort.FINAL),
        (6_000, PreviousSpeech(counting(0, 32_000), "Ask not."), Effort.FINAL),
        (220_000, PreviousSpeech(counting(0, 32_000), "Ask not."), Effort.FINAL),
    ],
)
def test_without_enough_speech_or_room_there_is_no_context(
    samples: int, before: PreviousSpeech | None, effort: Effort
) -> None:
    assert context_of(final(samples, before, effort), VOCABULARY, LONGEST) is None


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.booleans(), st.integers(1, 30_000))
def test_no_context_exceeds_the_length_of_the_engine(
    earlier: int, samples: int, adjoins: bool, longest: int
) -> None:
    before = PreviousSpeech(counting(0, earlier), "a", adjoins)

    context = context_of(final(samples, before), VOCABULARY, longest)

    assert context is None or 0 < len(context.samples) <= longest


@given(
    st.lists(st.from_regex(r"[.,]?[a-c]{1,4}", fullmatch=True)),
    st.text(alphabet=".,?! ", max_size=4),
)
def test_the_prefix_writes_the_text_without_the_punctuation_at_its_end(
    words: list[str], signs: str
) -> None:
    prefix = prefix_of(VOCABULARY, " ".join(words) + signs)

    written = b"".join(VOCABULARY.pieces[token] for token in prefix).decode()
    assert written == "".join(f"▁{word}" for word in words)


class Recorder:
    """A decoder that records what it is told, and looks at frame n with weight n."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.told: list[object] = []

    def begin(self, tokens: Sequence[int]) -> np.ndarray:
        self.told.append(list(tokens))
        return np.array(tokens, dtype=np.float32)[:, np.newaxis]

    def read(self, tokens: Sequence[int]) -> np.ndarray:
        return np.array(tokens, dtype=np.float32)[:, np.newaxis]

    def keep(self, tokens: int) -> None:
        self.told.append(tokens)

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> np.ndarray:
        return np.array([tokens, parents], dtype=np.float32)

    def attentions(self, tokens: Sequence[int]) -> list[list[np.ndarray]]:
        return [
            [np.full((8, self.frames), place) * np.arange(self.frames)]
            for place in range(len(tokens) + 1)
        ]


@given(st.lists(st.integers(3, 9), max_size=5), st.lists(st.integers(3, 9), max_size=5))
def test_a_search_behind_a_prefix_sees_only_its_own_tokens_and_audio(
    prefix: list[int], draft: list[int]
) -> None:
    decoder = Recorder(frames=10)
    view = Continued(decoder, prefix, context=4 * 384)

    logits = view.begin([START, *draft])
    view.keep(1)
    looked = view.attentions(draft)

    assert decoder.told == [[START, *prefix, *draft], len(prefix) + 1]
    assert logits[:, 0].tolist() == [*([START, *prefix][-1:]), *draft]
    assert len(looked) == len(draft) + 1
    assert [layers[0][0].tolist() for layers in looked] == [
        [(len(prefix) + place) * frame for frame in range(4, 10)] for place in range(len(looked))
    ]


@given(st.lists(st.sampled_from([",", ".", "...", "a", "b.", "'c"])))
def test_signs_before_the_first_word_are_left_out_and_no_word(texts: list[str]) -> None:
    words = [Spelled(text, 1.0) for text in texts]

    kept = without_first_signs(words)

    left_out = words[: len(words) - len(kept)]
    assert [*left_out, *kept] == words
    assert not any(char.isalnum() for word in left_out for char in word.text)
    assert not kept or any(map(str.isalnum, kept[0].text))
