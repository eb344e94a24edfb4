import pytest

from workers.engines.common.calibration import Calibration, features

CALIBRATION = Calibration(offset=2.0, word=0.5, segment=3.0)


def test_without_weights_the_confidence_is_the_probability() -> None:
    unchanged = Calibration(offset=0.0, word=1.0, segment=0.0)

    assert unchanged.confidence(0.3, -2.0) == pytest.approx(0.3)


def test_a_more_probable_word_is_more_certain() -> None:
    found = [CALIBRATION.confidence(probability, -0.2) for probability in (0.0, 0.2, 0.9, 1.0)]

    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 1


def test_the_same_word_among_improbable_words_is_less_certain() -> None:
    assert CALIBRATION.confidence(0.8, -1.0) < CALIBRATION.confidence(0.8, -0.1)


def test_all_words_of_an_utterance_share_its_mean() -> None:
    (one, mean), (other, same) = features([1.0, 0.1])

    assert (one, other) == (1.0, 0.1)
    assert mean == same == pytest.approx(-1.151, abs=0.001)


def test_an_utterance_without_words_has_no_confidences() -> None:
    assert list(features([])) == []
