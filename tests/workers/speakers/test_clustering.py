"""Windows are assigned to the speakers of a channel, with vectors drawn by hand instead of voices."""

import numpy as np
import pytest

from workers.speakers.clustering import Floats, KnownSpeakers, assign

ANNA, BERT, CARL = np.eye(3, 256, dtype=np.float32)


def heard(*voices: Floats) -> Floats:
    return np.stack(voices)


def test_a_new_voice_is_a_new_speaker_and_a_known_one_keeps_its_number() -> None:
    first = assign(KnownSpeakers(), heard(ANNA, ANNA, ANNA), 2)
    second = assign(first.known, heard(BERT, BERT, BERT), 2)
    third = assign(second.known, heard(ANNA, ANNA), 2)

    assert [first.speakers, second.speakers, third.speakers] == [(0, 0, 0), (1, 1, 1), (0, 0)]


def test_two_voices_in_the_first_segment_are_two_speakers() -> None:
    assert assign(KnownSpeakers(), heard(ANNA, ANNA, ANNA, BERT, BERT), 2).speakers == (
        0,
        0,
        0,
        1,
        1,
    )


def test_a_change_inside_a_segment_of_known_voices_is_found() -> None:
    known = assign(KnownSpeakers(), heard(ANNA, ANNA, BERT, BERT), 2).known

    assert assign(known, heard(BERT, ANNA, ANNA), 2).speakers == (1, 0, 0)


@pytest.mark.parametrize(("most", "expected"), [(1, 0), (2, 1), (3, 2)])
def test_there_are_never_more_speakers_than_the_call_allows(most: int, expected: int) -> None:
    known = KnownSpeakers()
    for voice in (ANNA, BERT, CARL):
        found = assign(known, heard(voice, voice, voice), most)
        known = found.known

    assert max(found.speakers) <= expected
    assert len(known.voices) == most


def test_one_unusual_window_is_no_new_speaker() -> None:
    known = assign(KnownSpeakers(), heard(ANNA, ANNA, ANNA), 2).known

    assert assign(known, heard(CARL), 2).speakers == (0,)


def test_the_state_goes_through_redis_unchanged_in_effect_and_stays_small() -> None:
    known = KnownSpeakers()
    for voice in (*[ANNA] * 40, BERT):
        known = assign(known, heard(*[voice] * 40), 8).known
    read = KnownSpeakers.decode(known.encode())

    assert len(known.encode()) < 1_200
    assert assign(read, heard(BERT, BERT), 8).speakers == (1, 1)


@pytest.mark.parametrize("state", [b"", b"\xff", b"\x93\x01\x02\x03", b"text"])
def test_a_state_that_cannot_be_read_knows_nobody(state: bytes) -> None:
    assert KnownSpeakers.decode(state) == KnownSpeakers()
