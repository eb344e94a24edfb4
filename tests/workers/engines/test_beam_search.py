from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.common.beam_search import Beam, Bias, Found, Greedy, SearchLimits, log_softmax

START, END, A, B, C, D = range(6)
Table = Mapping[Sequence[int], Mapping[int, float]]
"""For each row written so far, the probability of the next tokens; all others share the rest."""


def search(table: Table, search: Greedy | Beam) -> Found:
    """Let a search ask the table until it is finished."""
    rows: list[tuple[int, ...]] = [()]
    while not search.finished:
        rows = [
            rows[parent] + ((token,) if token != START else ())
            for token, parent in zip(search.tokens, search.parents, strict=True)
        ]
        search.observe(np.log(np.array([follows(table, row) for row in rows], dtype=np.float32)))
    return search.found()


def follows(table: Table, row: tuple[int, ...]) -> list[float]:
    given = table.get(row, {END: 0.9})
    rest = (1 - sum(given.values())) / (6 - len(given))
    return [given.get(token, max(rest, 1e-6)) for token in range(6)]


def limits(most: int = 10) -> SearchLimits:
    return SearchLimits(START, END, most)


def bias(*spellings: Sequence[int]) -> Bias:
    return Bias(spellings, bonus=2.0)


LURE: Table = {
    (): {A: 0.5, B: 0.45},
    (A,): {C: 0.3, D: 0.3},
    (B,): {C: 0.95},
}
"""A looks better at first; B, C is better in the end."""


SENTENCE: Table = {
    (): {A: 0.5, B: 0.45},
    (A,): {END: 0.6},
    (B,): {C: 0.9},
    (B, C): {C: 0.9},
    (B, C, C): {C: 0.9},
    (B, C, C, C): {D: 0.9},
    (B, C, C, C, D): {END: 0.9},
}
"""A ends at once and is half as likely; the sentence after B is sure of each of its tokens."""


def test_with_a_reward_for_length_a_beam_prefers_a_sure_sentence_to_a_short_likelier_text() -> None:
    rewarded = search(SENTENCE, Beam(replace(limits(), length_reward=0.15), bias(), width=4))
    plain = search(SENTENCE, Beam(limits(), bias(), width=4))

    assert rewarded.tokens == (B, C, C, C, D)
    assert plain.tokens == (A,)


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    found = search(LURE, Greedy(limits()))

    assert found.tokens[0] == A
    assert found.complete


def test_a_beam_looks_further() -> None:
    found = search(LURE, Beam(limits(), bias(), width=4))

    assert found.tokens == (B, C)
    assert np.allclose(np.exp(found.log_probs), [0.45, 0.95], atol=0.01)


def test_a_beam_gives_its_best_texts_with_the_scores_that_order_them() -> None:
    table: Table = {(): {A: 0.5, B: 0.4}, (A,): {END: 0.9}, (B,): {END: 0.8}}
    beam = Beam(limits(), bias(), width=4)

    best = search(table, beam)
    first, second, *_ = beam.candidates(4)

    assert first == best
    assert (first.tokens, second.tokens) == ((A,), (B,))
    for one, said, end in ((first, 0.5, 0.9), (second, 0.4, 0.8)):
        assert np.allclose(np.exp([*one.log_probs, one.end, one.score]), [said, end, said * end])
    assert beam.candidates(1) == [first]


def test_a_keyword_wins_over_what_sounds_a_little_better() -> None:
    table: Table = {(): {A: 0.7, B: 0.2}, (A,): {END: 0.9}, (B,): {C: 0.5}, (B, C): {END: 0.9}}

    plain = search(table, Beam(limits(), bias(), width=4))
    leaning = search(table, Beam(limits(), bias([B, C]), width=4))

    assert plain.tokens == (A,)
    assert leaning.tokens == (B, C)


def test_a_keyword_that_breaks_off_earns_nothing() -> None:
    table: Table = {(): {A: 0.7, B: 0.2}, (A,): {END: 0.9}, (B,): {END: 0.9}}

    found = search(table, Beam(limits(), bias([B, C, D]), width=4))

    assert found.tokens == (A,)


def test_a_keyword_that_was_not_spoken_is_not_written() -> None:
    table: Table = {(): {A: 0.99, B: 0.001}, (A,): {END: 0.9}, (B,): {C: 0.01}}

    found = search(table, Beam(limits(), bias([B, C]), width=4))

    assert found.tokens == (A,)


def test_confidence_is_the_models_own_whatever_the_bonus() -> None:
    table: Table = {(): {B: 0.9}, (B,): {END: 0.9}}

    found = search(table, Beam(limits(), bias([B]), width=4))

    assert np.allclose(np.exp(found.log_probs), [0.9], atol=0.01)


def test_an_unsure_end_does_not_come_first() -> None:
    unsure: Table = {(): {END: 0.6, A: 0.3}}

    assert search(unsure, Greedy(limits())).tokens == (A,)
    assert search(unsure, Beam(limits(), bias(), width=4)).tokens == (A,)


def test_a_certain_end_of_text_may_come_first_and_is_reported() -> None:
    sure: Table = {(): {END: 0.999, A: 0.0005}}

    for found in (search(sure, Greedy(limits())), search(sure, Beam(limits(), bias(), width=4))):
        assert found.tokens == ()
        assert found.complete
        assert np.isclose(found.nothing, 0.999)


def test_a_model_without_end_is_stopped() -> None:
    endless: Table = {(A,) * length: {A: 0.9} for length in range(20)}

    for found in (
        search(endless, Greedy(limits(5))),
        search(endless, Beam(limits(5), bias(), width=4)),
    ):
        assert found.tokens == (A,) * 5
        assert not found.complete


def test_a_search_for_nothing_is_finished_before_it_begins() -> None:
    assert Greedy(limits(0)).finished
    assert Beam(limits(0), bias(), width=4).finished


tokens = st.lists(st.integers(A, D), max_size=12)


@given(st.lists(st.lists(st.integers(A, D), min_size=1, max_size=4), max_size=5), tokens)
def test_what_a_row_gains_is_what_it_has_of_keywords(
    keywords: list[list[int]], row: list[int]
) -> None:
    leaning, gained = bias(*keywords).start(), 0.0
    trie = bias(*keywords)
    leaning = trie.start()
    for token in row:
        leaning, gain = trie.follow(leaning, token)
        gained += gain

    earned = gained - leaning.owed
    assert earned >= 0
    assert earned <= 2.0 * len(row)
    if not any(contains(row, keyword) for keyword in keywords):
        assert earned == 0


@given(st.lists(st.lists(st.integers(A, D), min_size=1, max_size=4), max_size=5), tokens)
def test_what_leads_on_is_what_following_gives(keywords: list[list[int]], row: list[int]) -> None:
    trie = bias(*keywords)
    leaning = trie.start()
    for token in row:
        for lead, gain in trie.leads(leaning).items():
            assert trie.follow(leaning, lead)[1] == gain
        leaning, _ = trie.follow(leaning, token)


def contains(row: list[int], keyword: list[int]) -> bool:
    return any(row[at : at + len(keyword)] == keyword for at in range(len(row)))


def test_log_softmax_sums_to_one() -> None:
    logits = np.array([[1.0, 2.0, 300.0], [0.0, 0.0, 0.0]], dtype=np.float32)

    assert np.allclose(np.exp(log_softmax(logits)).sum(axis=1), 1.0)


def test_tokens_of_whole_keywords_are_marked_but_not_common_words_of_one_token() -> None:
    leaning = bias([A, B], [A, B, C], [D])

    assert leaning.inside((D, A, B, C, B)) == {1, 2, 3}
    assert leaning.inside((A, B, D)) == {0, 1}
    assert leaning.inside((A, C)) == frozenset()
