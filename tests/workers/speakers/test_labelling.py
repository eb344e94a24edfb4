"""The words of a final get the speakers of the windows around them."""

import numpy as np

from protocol.events import Final, SegmentId, Span, Timing, Word
from workers.speakers.labelling import UNKNOWN_FLAG, labelled
from workers.speakers.voice_encoder import Floats, VoiceWindows

ANNA, BERT = np.eye(2, 256, dtype=np.float32)
SECOND = 8_000


def final(*words: Word, seconds: int = 6) -> Final:
    span = Span(SECOND, SECOND + seconds * SECOND)
    return Final(SegmentId(0, 0), span, words, "en", 0, (), "engine", Timing(0, 0))


def said(text: str, start: float, end: float) -> Word:
    return Word(text, int((1 + start) * SECOND), int((1 + end) * SECOND))


def windows(*voices: Floats) -> VoiceWindows:
    """One for each second, from 0.5 s on."""
    centres = np.array([16_000 * place + 8_000 for place in range(len(voices))])
    return VoiceWindows(centres, np.stack(voices))


def speakers(one: Final) -> list[int | None]:
    return [word.speaker for word in one.words]


def test_a_segment_with_two_speakers_is_split_at_the_longest_pause_near_the_change() -> None:
    heard = final(said("good", 1.5, 2.4), said("day", 2.45, 2.6), said("hello", 2.9, 4.0))

    found = labelled(heard, windows(ANNA, ANNA, ANNA, BERT, BERT, BERT), b"", 2)

    assert speakers(found.final) == [0, 0, 1]


def test_words_without_times_share_the_segment_by_their_letters() -> None:
    heard = final(Word("one"), Word("two"), Word("six"), Word("ten"))

    found = labelled(heard, windows(ANNA, ANNA, ANNA, BERT, BERT, BERT), b"", 2)

    assert speakers(found.final) == [0, 0, 1, 1]


def test_unknown_voices_give_words_no_speaker_and_a_flag() -> None:
    found = labelled(final(said("yes", 0, 1)), None, b"known", 2)

    assert speakers(found.final) == [None]
    assert found.final.flags == (UNKNOWN_FLAG,)
    assert found.state == b"known"


def test_the_state_of_one_final_is_what_the_next_one_begins_with() -> None:
    first = labelled(final(said("hello", 0, 2)), windows(ANNA, ANNA, ANNA), b"", 2)
    second = labelled(final(said("hi", 0, 2)), windows(BERT, BERT, BERT), first.state, 2)
    third = labelled(final(said("well", 0, 2)), windows(ANNA, ANNA), second.state, 2)

    assert [speakers(one.final) for one in (first, second, third)] == [[0], [1], [0]]
