"""The words of a final get the speakers of the windows around them."""

from dataclasses import replace

import numpy as np
from msgspec import msgpack, structs

from protocol.events import Final, SegmentId, Span, Timing, Word
from workers.speakers.labelling import UNKNOWN_FLAG, assigned_anew, labelled, labelled_recording
from workers.speakers.voice_encoder import Floats, VoiceWindows
from workers.speakers.voice_history import Stretch

ANNA, BERT = np.eye(2, 256, dtype=np.float32)
SECOND = 8_000


def final(*words: Word, seconds: int = 6, number: int = 0) -> Final:
    span = Span(SECOND, SECOND + seconds * SECOND)
    return Final(SegmentId(0, number), span, words, "en", 0, (), "engine", Timing(0, 0))


def said(text: str, start: float, end: float) -> Word:
    return Word(text, int((1 + start) * SECOND), int((1 + end) * SECOND))


def windows(*voices: Floats) -> VoiceWindows:
    """Five for each second, all of one voice, the first after 0.1 s."""
    centres = np.array([3_200 * place + 1_600 for place in range(5 * len(voices))])
    return VoiceWindows(centres, np.repeat(np.stack(voices), 5, axis=0))


def speakers(one: Final) -> list[int | None]:
    return [word.speaker for word in one.words]


def test_a_segment_with_two_speakers_is_split_at_the_longest_pause_near_the_change() -> None:
    heard = final(said("good", 1.5, 2.4), said("day", 2.45, 2.6), said("hello", 2.9, 4.0))

    found = labelled(heard, windows(ANNA, ANNA, ANNA, BERT, BERT, BERT), b"", 2)

    assert speakers(found.final) == [0, 0, 1]


def test_a_change_is_moved_to_the_end_of_a_sentence_rather_than_into_it() -> None:
    heard = final(
        *(said("right.", 2.0, 2.7), said("And", 2.75, 2.95)),
        *(said("so", 3.05, 3.2), said("on", 3.2, 3.4)),
    )

    found = labelled(heard, windows(ANNA, ANNA, ANNA, BERT, BERT, BERT), b"", 2)

    assert speakers(found.final) == [0, 1, 1, 1]


def test_words_without_times_share_the_segment_by_their_letters() -> None:
    heard = final(Word("one"), Word("two"), Word("six"), Word("ten"))

    found = labelled(heard, windows(ANNA, ANNA, ANNA, BERT, BERT, BERT), b"", 2)

    assert speakers(found.final) == [0, 0, 1, 1]


def test_unknown_voices_give_words_no_speaker_and_a_flag() -> None:
    found = labelled(final(said("yes", 0, 1)), None, b"known", 2)

    assert speakers(found.final) == [None]
    assert found.final.flags == (UNKNOWN_FLAG,)
    assert found.state == b"known"


def test_a_recording_is_labelled_as_a_whole_and_its_shortest_segments_are_flagged() -> None:
    one = final(said("hello", 0, 2))
    other = replace(one, segment=SegmentId(0, 1), span=Span(9 * SECOND, 10 * SECOND))
    yes = replace(one, segment=SegmentId(0, 2), words=(Word("yes"),))

    found = labelled_recording(
        [one, yes, other], [windows(ANNA, ANNA), None, windows(BERT, BERT)], 2
    )

    assert [speakers(each) for each in found] == [[0], [None], [1]]
    assert [each.flags for each in found] == [(), (UNKNOWN_FLAG,), ()]


def test_the_state_of_one_final_is_what_the_next_one_begins_with() -> None:
    first = labelled(final(said("hello", 0, 2)), windows(ANNA, ANNA, ANNA), b"", 2)
    second = labelled(final(said("hi", 0, 2), number=1), windows(BERT, BERT, BERT), first.state, 2)
    third = labelled(final(said("well", 0, 2), number=2), windows(ANNA, ANNA), second.state, 2)

    assert [speakers(one.final) for one in (first, second, third)] == [[0], [1], [0]]


def test_only_a_further_voice_changes_the_speakers_of_earlier_segments() -> None:
    one = Stretch(0, 0, 8_000, 0, 4.0, 1.0, b"\1")
    other = structs.replace(one, first=16_000, last=24_000)
    later = structs.replace(one, segment=1)
    before = msgpack.encode([one, other])

    def after(*speakers: int) -> bytes:
        stretches = zip((one, other, later), speakers, strict=True)
        return msgpack.encode(
            [structs.replace(each, speaker=speaker) for each, speaker in stretches]
        )

    assert assigned_anew(before, after(0, 1, 1)) == [0]
    assert assigned_anew(before, after(0, 0, 1)) == []
    assert assigned_anew(after(0, 1, 1), after(1, 1, 0)) == []
    assert assigned_anew(b"", after(0, 1, 1)) == []
