"""The speech that a worker keeps as context for the next final of a channel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.job_streams import JobStream, speech, working

from protocol.events import Final, SegmentId
from protocol.scheduling.jobs import Job
from workers.engines.base import PreviousSpeech, RecognisedWord, Utterance
from workers.recent_speech import RecentSpeech

FIRST = Job("call-1", "log-a", SegmentId(0, 4), 8_000, 0.0, "en", end=16_000)
NEXT = Job("call-1", "log-a", SegmentId(0, 5), 20_000, 0.0, "en", end=28_000)
AUDIO = (np.arange(-8_000, 8_000) / 32_768).astype(np.float32)


def words(text: str) -> tuple[RecognisedWord, ...]:
    return tuple(map(RecognisedWord, text.split()))


def kept_of(job: Job, text: str, then: Job = NEXT) -> PreviousSpeech | None:
    recent = RecentSpeech()
    recent.remember(job, AUDIO, words(text))
    return recent.before(then)


def test_the_next_final_of_the_channel_gets_the_speech_before_it() -> None:
    before = kept_of(FIRST, "Ask not.")

    assert before is not None
    assert np.array_equal(before.samples, AUDIO)
    assert before.text == "Ask not."
    assert not before.adjoins


def test_loud_speech_that_exceeds_the_range_is_clipped() -> None:
    recent = RecentSpeech()
    recent.remember(FIRST, np.full(16_000, 1.2, np.float32), words("Ask not."))

    before = recent.before(NEXT)

    assert before is not None
    assert before.samples.min() > 0.99


def test_speech_that_was_cut_comes_without_its_padding() -> None:
    before = kept_of(replace(FIRST, padding=1_600), "Ask not.", replace(NEXT, start=16_000))

    assert before is not None
    assert before.adjoins
    assert np.array_equal(before.samples, AUDIO[:-3_200])


@pytest.mark.parametrize(
    "then",
    [
        replace(NEXT, call_id="call-2"),
        replace(NEXT, log="log-b"),
        replace(NEXT, segment=SegmentId(1, 5)),
        replace(NEXT, segment=SegmentId(0, 4)),
        replace(NEXT, start=15_999),
        replace(NEXT, start=33_000),
        replace(NEXT, language="de"),
        replace(NEXT, translate_to="de"),
        replace(NEXT, flags=("background",)),
    ],
)
def test_no_other_segment_gets_it(then: Job) -> None:
    assert kept_of(FIRST, "Ask not.", then) is None


@pytest.mark.parametrize(
    "text", ["", "my card is 4111", "it is four one one one", "extension 12-34", "on the 15th"]
)
def test_nothing_is_kept_of_speech_without_words_or_with_a_number(text: str) -> None:
    """An engine that repeated a digit would hide a card number from the redaction."""
    recent = RecentSpeech()
    recent.remember(FIRST, AUDIO, words("Ask not."))
    recent.remember(replace(FIRST, segment=SegmentId(0, 5), start=16_000), AUDIO, words(text))

    assert recent.before(replace(NEXT, segment=SegmentId(0, 6))) is None


def test_a_segment_that_goes_on_after_its_draft_still_has_the_speech_before_it() -> None:
    recent = RecentSpeech()
    recent.remember(FIRST, AUDIO, words("Ask not."))
    recent.remember(NEXT, AUDIO, words("What your"))

    again = recent.before(replace(NEXT, end=40_000))

    assert again is not None
    assert again.text == "Ask not."


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=40, unique=True).map(sorted))
def test_of_a_long_segment_whole_words_are_kept_with_exactly_their_audio(
    starts: list[int],
) -> None:
    """`starts`: of words, in units of ten samples."""
    audio = np.zeros(300_010, np.float32)
    audio[[10 * start for start in starts]] = 0.5
    spoken = tuple(RecognisedWord("word", 10 * start, 10 * start + 5) for start in starts)
    recent = RecentSpeech()
    recent.remember(FIRST, audio, spoken)

    before = recent.before(NEXT)

    late = [start for start in starts if 10 * start >= len(audio) - 96_000]
    assert (before is None) == (not late)
    if before is not None:
        assert len(before.samples) <= 96_000
        assert before.text.split() == ["word"] * len(late)
        assert np.count_nonzero(before.samples) == len(late)
        assert before.samples[0] == 0.5


def test_the_channel_that_was_silent_longest_is_forgotten_first() -> None:
    recent = RecentSpeech(channels=2)
    for number in (1, 2, 1, 3):
        job = replace(FIRST, call_id=f"call-{number}")
        recent.remember(job, AUDIO, words("Ask not."))

    known = [recent.before(replace(NEXT, call_id=f"call-{one}")) for one in (1, 2, 3)]

    assert [one is not None for one in known] == [True, False, True]


class ContextTeller(LengthTeller):
    """Recognises the text before an utterance, or `nothing before`."""

    def __init__(self, *, context: bool) -> None:
        super().__init__(max_batch=1)
        self.capabilities = replace(self.capabilities, context=context)

    def _words(self, one: Utterance) -> tuple[RecognisedWord, ...]:
        return words("nothing before" if one.before is None else f"behind {one.before.text}")


async def told(redis: Redis, engine: ContextTeller) -> list[str]:
    """The finals of two segments of a channel, with one of another channel between them."""
    job_stream = JobStream(redis)
    await job_stream.begin()
    texts = list[str]()
    async with working(redis, engine):
        for channel, number in ((0, 0), (1, 0), (0, 1)):
            await job_stream.queue(channel, speech(10), number, 12_000 * number)
            final = await job_stream.next_terminal()
            assert isinstance(final, Final)
            texts.append(final.text)
    return texts


async def test_a_worker_gives_each_final_the_final_before_it_on_its_channel(redis: Redis) -> None:
    texts = await told(redis, ContextTeller(context=True))

    assert texts == ["nothing before", "nothing before", "behind nothing before"]


async def test_an_engine_that_uses_no_context_is_given_none(redis: Redis) -> None:
    assert await told(redis, ContextTeller(context=False)) == ["nothing before"] * 3
