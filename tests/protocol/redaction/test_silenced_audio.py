import pytest

from protocol.events import Span, Word
from protocol.redaction.masking import apply
from protocol.redaction.policy import CARD_DATA, CARD_DATA_POLICY
from protocol.redaction.redactor import Mask

SPAN = Span(0, 80_000)
SAID = (
    Word("it", 1_000, 2_000), Word("is", 2_000, 3_000), Word("4111", 9_000, 20_000),
    Word("1111", 20_000, 30_000), Word("thank", 50_000, 51_000), Word("you", 51_000, 52_000),
)  # fmt: skip
KIND = next(iter(CARD_DATA))


@pytest.mark.parametrize(
    ("first", "last", "silenced"),
    [
        (2, 3, (3_000, 50_000)),  # digits that the engine left out lie beside those that it wrote
        (0, 3, (0, 50_000)),
        (2, 5, (3_000, 80_000)),
    ],
)
def test_the_audio_between_the_words_around_it_is_silenced(
    first: int, last: int, silenced: tuple[int, int]
) -> None:
    _, (redaction,) = apply(SAID, [Mask(first, last, KIND)], CARD_DATA_POLICY, SPAN)

    assert (redaction.start, redaction.end) == silenced


def test_without_word_times_the_whole_segment_is_silenced() -> None:
    words = [Word(word.text) for word in SAID]

    _, (redaction,) = apply(words, [Mask(2, 3, KIND)], CARD_DATA_POLICY, SPAN)

    assert (redaction.start, redaction.end) == (SPAN.start, SPAN.end)
