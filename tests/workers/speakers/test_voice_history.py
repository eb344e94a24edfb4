"""Segments are added to what is known of the voices of a channel, with vectors drawn by hand."""

import numpy as np
import pytest

from workers.speakers.clustering import Floats
from workers.speakers.voice_history import Heard, VoiceHistory, assign, assign_all

ANNA, BERT = np.eye(2, 256, dtype=np.float32)
WINDOW = 1_600
"""Samples of the call clock between windows."""


def heard(history: VoiceHistory, number: int, *voices: Floats) -> VoiceHistory:
    """The history with a segment, which has a window for each voice."""
    begin = 1_000_000 * number
    centres = [begin + WINDOW * place for place in range(len(voices))]
    return assign(history, number, centres, np.stack(voices), 2)


def speakers(history: VoiceHistory, number: int) -> list[int]:
    """Those of the stretches of a segment, changes only."""
    found = [one.speaker for one in history.of(number)]
    return [one for place, one in enumerate(found) if place == 0 or one != found[place - 1]]


def test_a_new_voice_is_a_new_speaker_and_a_known_one_keeps_its_number() -> None:
    history = heard(VoiceHistory(), 0, *[ANNA] * 10)
    history = heard(history, 1, *[BERT] * 10)
    history = heard(history, 2, *[ANNA] * 3)

    assert [speakers(history, number) for number in range(3)] == [[0], [1], [0]]


def test_changes_of_the_speaker_inside_a_segment_are_found_within_a_window() -> None:
    history = heard(VoiceHistory(), 0, *[ANNA] * 10, *[BERT] * 13, *[ANNA] * 10)

    turns = history.of(0)
    assert speakers(history, 0) == [0, 1, 0]
    assert max(one.last for one in turns if one.speaker == 1) == WINDOW * 22
    assert min(one.first for one in turns if one.speaker == 1) == WINDOW * 10


def test_a_segment_that_is_committed_again_counts_once() -> None:
    once = heard(VoiceHistory(), 0, *[ANNA] * 10)

    assert heard(once, 0, *[ANNA] * 10) == once


def test_the_state_of_a_long_call_stays_bounded_and_keeps_the_numbers_of_its_voices() -> None:
    history = VoiceHistory()
    for number in range(60):
        history = heard(history, number, *[(ANNA, BERT)[number % 2]] * 50)
        history = VoiceHistory.decode(history.encode())

    assert len(history.encode()) < 100_000
    assert speakers(heard(history, 60, *[BERT] * 4), 60) == [1]
    assert speakers(heard(history, 61, *[ANNA] * 4), 61) == [0]


@pytest.mark.parametrize("state", [b"", b"\xff", b"\x93\x01\x02\x03", b"\x81\xa6voices\x90"])
def test_a_state_that_cannot_be_read_knows_no_voice(state: bytes) -> None:
    assert VoiceHistory.decode(state) == VoiceHistory()


def test_a_recording_is_assigned_at_once_so_that_its_first_words_profit_from_the_last() -> None:
    """The second voice has too little speech in the first segment to be found there."""
    first = Heard(0, [WINDOW * place for place in range(13)], np.stack([*[ANNA] * 10, *[BERT] * 3]))
    second = Heard(1, [10**6 + WINDOW * place for place in range(20)], np.stack([BERT] * 20))

    assert speakers(assign_all([first, second], 2), 0) == [0, 1]
    assert assign_all([], 2) == VoiceHistory()
