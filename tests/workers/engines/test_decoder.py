"""The decoder of Moonshine with a small network in place of the weights: what is decoded, and how often."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.common.beam_search import log_softmax
from workers.engines.moonshine.alignment import ATTENTIONS
from workers.engines.moonshine.decoder import Decoder
from workers.engines.moonshine.tokens import START

VOCABULARY = 8
FRAMES = 5


class Step:
    """A network whose keys are the tokens of each row, and whose logits and attentions count them."""

    def __init__(self) -> None:
        self.asked: list[list[list[int]]] = []

    def run(self, _: None, feed: Mapping[str, npt.NDArray[Any]]) -> list[npt.NDArray[np.float32]]:
        """Return the logits, the keys and values, and the attentions."""
        added = feed["input_ids"]
        self.asked.append(added.tolist())
        past = feed["past_key_values.0.decoder.key"]
        new = np.broadcast_to(
            added[:, np.newaxis, :, np.newaxis], (len(added), 8, added.shape[1], 52)
        )
        written = np.concatenate([past, new.astype(np.float32)], axis=2)
        rows = written[:, 0, :, 0].astype(int).tolist()
        logits = [
            [logits_of(row[: past.shape[2] + step + 1]) for step in range(added.shape[1])]
            for row in rows
        ]
        looked = np.zeros((len(added), 8, added.shape[1], FRAMES), dtype=np.float32)
        for place, row in enumerate(rows):
            for step in range(added.shape[1]):
                looked[place, :, step] = sum(row[: past.shape[2] + step + 1])
        return [np.array(logits, np.float32), *[written] * 16, *[looked] * len(ATTENTIONS)]


def logits_of(row: Sequence[int]) -> list[float]:
    """Logits that depend on every token of a row and its place."""
    seed = sum((place + 1) * (token + 1) for place, token in enumerate(row))
    return [float((seed * (token + 3)) % 11) for token in range(VOCABULARY)]


def log_probs_of(*rows: Sequence[int]) -> npt.NDArray[np.float32]:
    return log_softmax(np.array([logits_of(row) for row in rows], dtype=np.float32))


def decoder() -> tuple[Decoder, Step]:
    step = Step()
    return Decoder(step, [np.zeros((1, 8, FRAMES, 52), dtype=np.float32)] * 16), step


def test_one_row_is_decoded_by_many_tokens_and_shortened() -> None:
    one, step = decoder()

    first = one.begin([START, 4, 5, 6])
    one.keep(2)
    then = one.extend([7, 3])

    assert np.array_equal(
        first, log_probs_of(*([START, 4, 5, 6][:length] for length in (1, 2, 3, 4)))
    )
    assert np.array_equal(then, log_probs_of([START, 4, 7], [START, 4, 7, 3]))
    assert step.asked == [[[START, 4, 5, 6]], [[7, 3]]]


def test_rows_of_the_trunk_are_not_decoded_again() -> None:
    one, step = decoder()
    one.begin([START, 4, 5, 6])

    first = one.rewind()
    second = one.follow([4, 3], [0, 0])
    third = one.follow([5, 6, 7], [0, 0, 1])

    assert np.array_equal(first, log_probs_of([START]))
    assert np.array_equal(second, log_probs_of([START, 4], [START, 3]))
    assert np.array_equal(third, log_probs_of([START, 4, 5], [START, 4, 6], [START, 3, 7]))
    assert step.asked[1:] == [[[3]], [[6], [7]]]


def test_what_probably_follows_is_decoded_with_a_row() -> None:
    one, step = decoder()
    one.begin([START, 4])
    one.rewind()

    one.follow([3, 5], [0, 0], [[6, 7], [6]])
    second = one.follow([6, 6], [0, 1])
    third = one.follow([7, 7], [0, 1])

    assert np.array_equal(second, log_probs_of([START, 3, 6], [START, 5, 6]))
    assert np.array_equal(third, log_probs_of([START, 3, 6, 7], [START, 5, 6, 7]))
    assert [np.shape(asked) for asked in step.asked] == [(1, 2), (2, 3), (1, 1)]


def test_all_rows_of_a_search_may_begin_with_a_prefix() -> None:
    one, _ = decoder()
    one.begin([START, 4, 5, 6])

    first = one.rewind(behind=2)
    second = one.follow([3], [0])

    assert np.array_equal(first, log_probs_of([START, 4, 5]))
    assert np.array_equal(second, log_probs_of([START, 4, 5, 3]))


def test_the_attentions_of_the_found_row_are_kept() -> None:
    one, _ = decoder()
    one.begin([START, 4])
    one.rewind()
    one.follow([4, 3], [0, 0])
    one.follow([5, 6], [0, 1])

    looked = one.attentions([3, 6])

    assert [float(layers[0][0, 0]) for layers in looked] == [START, START + 3, START + 3 + 6]


@given(
    st.lists(st.integers(3, 7), max_size=4),
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 3), st.integers(3, 7), st.lists(st.integers(3, 7), max_size=3)
            ),
            min_size=1,
            max_size=4,
        ),
        max_size=5,
    ),
)
def test_a_search_sees_the_same_whatever_was_decoded_before(
    trunk: list[int], steps: list[list[tuple[int, int, list[int]]]]
) -> None:
    one, _ = decoder()
    one.begin([START, *trunk])
    one.rewind()
    rows: list[tuple[int, ...]] = [(START,)]
    for step in steps:
        parents = [parent % len(rows) for parent, _, _ in step]
        tokens = [token for _, token, _ in step]
        rows = [(*rows[parent], token) for parent, token in zip(parents, tokens, strict=True)]

        found = one.follow(tokens, parents, [ahead for _, _, ahead in step])

        assert np.array_equal(found, log_probs_of(*rows))
