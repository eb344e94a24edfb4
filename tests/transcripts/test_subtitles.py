"""Subtitles: every word once, in readable lines, at the time when it is spoken."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.call_records import SECOND, said, transcript

from protocol.clock import to_ms
from protocol.events import Word
from transcripts.formats.subtitles import SubtitleCue, cues, timed_words
from transcripts.transcript import StoredSegment

WORDS = st.lists(st.text("abcdefghijäß'-", min_size=1, max_size=50), min_size=1, max_size=60)
WIDE = 42


@st.composite
def talks(draw: st.DrawFn) -> list[StoredSegment]:
    """Both channels at once, with times of words or without."""
    segments = []
    for number in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, 20 * SECOND))
        words = [Word(text) for text in draw(WORDS)]
        if draw(st.booleans()):
            words = [
                Word(word.text, start + n * 80, start + n * 80 + 80) for n, word in enumerate(words)
            ]
        channel = draw(st.integers(0, 1))
        segments.append(said(*words, channel=channel, number=number, start=start, seconds=5))
    return segments


@given(talks())
def test_every_word_is_shown_once_under_its_role(segments: list[StoredSegment]) -> None:
    shown = cues(transcript(*segments), WIDE)

    for role, channel in (("agent", 0), ("customer", 1)):
        told = [
            word for cue in shown if cue.role == role for line in cue.lines for word in line.split()
        ]
        heard = [
            word.text for one in segments if one.segment.channel == channel for word in one.words
        ]
        assert sorted(told) == sorted(heard)


@given(talks())
def test_cues_come_in_order_and_end_behind_their_beginning(segments: list[StoredSegment]) -> None:
    shown = cues(transcript(*segments), WIDE)

    assert [cue.start for cue in shown] == sorted(cue.start for cue in shown)
    assert all(cue.end > cue.start for cue in shown)


@given(talks())
def test_no_more_than_two_lines_and_none_wider_than_a_screen(segments: list[StoredSegment]) -> None:
    shown = cues(transcript(*segments), WIDE)

    for cue in shown:
        assert 1 <= len(cue.lines) <= 2
        assert all(len(line) <= WIDE or " " not in line for line in cue.lines)


@given(words=WORDS, start=st.integers(0, 10**9))
def test_words_without_times_share_the_whole_segment_in_order(words: list[str], start: int) -> None:
    segment = said(*words, start=start, seconds=10)

    timed = timed_words(segment)

    assert [word.text for word in timed] == words
    assert (timed[0].start, timed[-1].end) == (segment.span.start, segment.span.end)
    assert all(a.end == b.start for a, b in pairwise(timed))


def test_a_long_segment_is_cut_where_its_words_are() -> None:
    words = [Word(f"word-{n:02d}", n * SECOND, n * SECOND + 4_000) for n in range(8)]

    shown = cues(transcript(said(*words, seconds=8)), width=16)

    assert shown == [
        SubtitleCue(0, 28_000, "agent", ("word-00 word-01", "word-02 word-03")),
        SubtitleCue(32_000, 60_000, "agent", ("word-04 word-05", "word-06 word-07")),
    ]


def test_an_answer_in_the_middle_of_a_long_segment_stands_in_its_middle() -> None:
    long = said(*(Word(f"word{n}", n * SECOND, (n + 1) * SECOND) for n in range(6)), seconds=6)
    short = said("yes", channel=1, start=5 * SECOND // 2)

    shown = cues(transcript(long, short), width=5)

    assert [(cue.role, cue.lines[0]) for cue in shown] == [
        ("agent", "word0"),
        ("agent", "word2"),
        ("customer", "yes"),
        ("agent", "word4"),
    ]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [(["a  b", "c\nd"], ["a b", "c d"]), (["", " ", "word"], ["word"]), ([" "], [])],
)
def test_white_space_inside_a_word_breaks_no_line(words: list[str], wanted: list[str]) -> None:
    assert [word.text for word in timed_words(said(*words))] == wanted


def test_a_word_that_takes_no_time_is_shown_for_a_moment() -> None:
    (cue,) = cues(transcript(said(Word("hm", 807, 807))), WIDE)

    assert to_ms(cue.end) > to_ms(cue.start)


def test_a_call_without_words_has_no_cues() -> None:
    assert cues(transcript(), WIDE) == []
    assert cues(transcript(said(" ")), WIDE) == []
