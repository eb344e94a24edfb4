"""Vectors are grouped by voice, with vectors drawn by hand instead of voices."""

import numpy as np
import pytest

from workers.speakers.clustering import Evidence, Floats, Labels, speakers_of

ANNA, BERT, CARL = np.eye(3, 64, dtype=np.float32)
UNTOLD = -1


def evidence(*voices: Floats, noise: float = 0.0, told: Labels | None = None) -> Evidence:
    """One segment.  `noise`: standard deviation of each number of a vector."""
    drawn = np.random.default_rng(1).normal(0, noise, (len(voices), 64)).astype(np.float32)
    begins = np.arange(len(voices)) == 0
    known = np.full(len(voices), UNTOLD) if told is None else told
    return Evidence(np.stack(voices) + drawn, np.ones(len(voices), np.float32), begins, known)


def test_two_voices_are_two_speakers_in_the_order_of_their_first_words() -> None:
    found = speakers_of(evidence(*[BERT] * 10, *[ANNA] * 10, *[BERT] * 5, noise=0.02), 2)

    assert found.tolist() == [0] * 10 + [1] * 10 + [0] * 5


def test_one_voice_stays_one_speaker_however_much_it_varies() -> None:
    for noise in (0.0, 0.02, 0.1):
        assert set(speakers_of(evidence(*[ANNA] * 60, noise=noise), 2)) == {0}


def test_voices_that_are_alike_are_two_speakers_and_one_that_varies_as_much_is_one() -> None:
    like_anna = (0.85 * ANNA + 0.527 * BERT).astype(np.float32)
    shares = np.random.default_rng(2).uniform(0, 1, 60).astype(np.float32)
    varied = [share * like_anna + (1 - share) * ANNA for share in shares]

    assert set(speakers_of(evidence(*[ANNA] * 30, *[like_anna] * 30, noise=0.02), 2)) == {0, 1}
    assert set(speakers_of(evidence(*varied, noise=0.02), 2)) == {0}


def test_a_short_unusual_sound_is_no_speaker() -> None:
    assert set(speakers_of(evidence(*[ANNA] * 20, *[BERT] * 3, *[ANNA] * 20), 2)) == {0}


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (2, 2), (3, 3), (8, 3)])
def test_there_are_as_many_speakers_as_voices_but_never_more_than_the_call_allows(
    most: int, expected: int
) -> None:
    found = speakers_of(evidence(*[ANNA] * 12, *[BERT] * 12, *[CARL] * 12, noise=0.02), most)

    assert len(set(found.tolist())) == expected


def test_speakers_that_were_told_keep_their_numbers() -> None:
    told = np.array([1] * 10 + [0] * 10 + [UNTOLD] * 10)

    found = speakers_of(evidence(*[ANNA] * 10, *[BERT] * 10, *[ANNA] * 10, told=told), 2)

    assert found.tolist() == [1] * 10 + [0] * 10 + [1] * 10
