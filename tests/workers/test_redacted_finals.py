"""Card data that is spoken over several segments never reaches Redis, a listener or the store."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.answers import entries_of
from support.calls_by_length import SpokenCall, spoken
from support.entries import event_of
from support.job_streams import CALL, P0, working
from support.redis_watch import everything_in, monitored

from protocol.calls.text_form import AS_WRITTEN
from protocol.events import Final, Partial, SegmentId, SegmentRevised, Span, Timing, Word
from protocol.events.event_codec import EventJsonWriter, encode_event, entry_of
from protocol.redaction.policy import NO_REDACTION, Policy
from protocol.scheduling.jobs import Job
from transcripts.ingest import take_in
from transcripts.outbox import arrival
from transcripts.store import Store
from workers.job_queue import Outcome, WorkQueue
from workers.text.redaction import hidden, redacted_final


def stored(path: Path, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> tuple[str, bytes]:
    """The text of the call after the recorder has stored `entries`, and the bytes of its database."""
    path = path / "store"
    path.mkdir()
    store = Store.open(f"sqlite:///{path / 'calls.db'}")
    take_in(store, [arrival("outbox", entry_id, fields) for entry_id, fields in entries])
    transcript = store.transcript("call-1")
    assert transcript is not None
    store.erase_traces()  # the recorder does it in the background
    store.close()
    files = b"".join(file.read_bytes() for file in path.iterdir())
    return " / ".join(segment.text for segment in transcript.segments), files


CARD = [
    "so my card number is four seven three eight",
    "two nine one six zero five",
    "uh six three seven four eight and it expires oh nine thirty one",
    "the code on the back is eight two seven",
    "and my order number is 5521",
]


def contains_number(left: bytes, digits: str) -> bool:
    """Return whether these digits stand by themselves: times and random ids may contain them."""
    return bool(re.search(rb"(?<![0-9a-f.])%b(?![0-9a-f])" % digits.encode(), left))


async def test_a_card_number_over_three_segments_leaves_no_digit_anywhere(
    redis: Redis, tmp_path: Path
) -> None:
    secret = ("seven three eight", "two nine one six", "six three seven", "oh nine", "eight two")
    async with spoken(redis, CARD) as call, monitored(redis) as commands:
        for number in range(len(CARD)):
            await call.begin_to_say(number)
            await call.say(number)

    assert await call.shown() == [
        "so my card number is [CARD_NUMBER]",
        "[CARD_NUMBER]",
        "uh [CARD_NUMBER] and it expires [EXPIRY]",
        "the code on the back is [SECURITY_CODE]",
        "and my order number is 5521",
    ]
    text, database = stored(tmp_path, await entries_of(redis, P0.outbox))
    left = (await everything_in(redis)).decode(errors="replace")
    assert "5521" in left and b"5521" in database and any("5521" in one for one in commands)
    for words in secret:
        for word in words.split():  # single digits, in text and in lists of words
            assert f" {word} " not in f" {text} "
        assert words not in left
        assert words.encode() not in database
        assert not any(words in command for command in commands)
    assert "seven" not in left
    assert b"seven" not in database
    assert not any("seven" in command for command in commands)


async def test_an_earlier_segment_is_revised_in_log_outbox_and_store(
    redis: Redis, tmp_path: Path
) -> None:
    async with spoken(redis, ["it is 4738", "2916", "0563 7481"]) as call:
        await call.say(0)
        before = await entries_of(redis, P0.outbox)
        for number in (1, 2):
            await call.say(number)

    events = await call.events()
    assert [event.text for event in events if isinstance(event, Final)] == [
        "it is [CARD_NUMBER]",
        "[CARD_NUMBER]",
        "[CARD_NUMBER]",
    ]
    revised = [event.final for event in events if isinstance(event, SegmentRevised)]
    assert [final.text for final in revised] == ["it is [CARD_NUMBER]"]
    ids = [entry_id for entry_id, _ in await entries_of(redis, CALL.log)]
    assert ids == [b"%d-0" % seq for seq in range(1, len(ids) + 1)]
    assert not contains_number(await everything_in(redis), "4738")
    # The recorder may have stored the first form already.
    text, database = stored(tmp_path, [*before, *await entries_of(redis, P0.outbox)])
    assert text == "it is [CARD_NUMBER] / [CARD_NUMBER] / [CARD_NUMBER]"
    assert not contains_number(database, "4738")


async def test_a_final_with_an_outdated_state_is_not_committed(redis: Redis) -> None:
    call = SpokenCall(redis, ["it is 4738"], Policy())
    await call.begin()
    await call.queue(0)
    queue = WorkQueue(redis, [P0], "worker-1")
    await queue.prepare()
    (one,) = await queue.claim(P0, 1, 1_000)
    event = encode_event(final_of("it", "is", "4738"))

    await redis.hset(CALL.meta, "redaction", b"of another worker")
    outcomes = [
        await queue.settle(one, event, states=states)
        for states in [(b"", b"mine"), (b"of another worker", b"mine"), (b"mine", b"again")]
    ]

    assert outcomes == [Outcome.MOVED, Outcome.RECORDED, Outcome.LOST]
    assert await queue.redaction.state(one) == b"mine"


@pytest.mark.parametrize(
    ("said", "shown", "reads"),
    [("thank you", b"thank", 0), ("2916 0563 7481 thank you", b"[CARD_NUMBER]", 1)],
)
async def test_a_partial_follows_a_state_of_the_call_that_its_worker_does_not_know(
    redis: Redis, said: str, shown: bytes, reads: int
) -> None:
    async with spoken(redis, ["it is 4738", said]) as call:
        await call.say(0)
    async with redis.pubsub() as told:
        await told.subscribe(CALL.live)
        messages = told.listen()
        await anext(messages)
        async with monitored(redis) as commands, working(redis, call.engine, name="worker-2"):
            await call.begin_to_say(1)
            partial = (await anext(messages))["data"]

    assert shown in partial
    assert not any("2916" in command for command in commands)
    assert sum(one == f"HGET {CALL.meta} redaction" for one in commands) == reads


async def test_two_workers_on_one_call_leave_no_digit(redis: Redis) -> None:
    texts = ["it is 4738", "2916", "0563", "7481 okay"] * 3
    call = SpokenCall(redis, texts, Policy())
    await call.begin()
    async with working(redis, call.engine), working(redis, call.engine, name="worker-2"):
        for number in range(len(texts)):
            await call.queue(number)
        await call.until(len(texts))

    card = ["it is [CARD_NUMBER]", "[CARD_NUMBER]", "[CARD_NUMBER]", "[CARD_NUMBER] okay"]
    assert sorted(await call.shown()) == sorted(card * 3)
    digits = ("4738", "2916", "0563", "7481")
    taken = await entries_of(redis, P0.outbox)
    # Redis keeps the bytes of a deleted entry until all entries beside it are deleted.
    await redis.xdel(P0.outbox, *(entry_id for entry_id, _ in taken))
    for left in (await everything_in(redis), *(fields[b"e"] for _, fields in taken)):
        assert [one for one in digits if contains_number(left, one)] == []


async def test_a_group_that_was_taken_for_a_code_becomes_a_part_of_the_second_card(
    redis: Redis,
) -> None:
    texts = ["my card is 4111 1111 1111 1111", "and the other is 4738", "2916", "0563 7481"]
    async with spoken(redis, texts) as call:
        for number in range(2):
            await call.say(number)
        before = (await call.shown())[1]
        for number in range(2, 4):
            await call.say(number)

    final = [event for event in await call.events() if isinstance(event, Final)][1]
    assert (before, final.text) == (
        "and the other is [SECURITY_CODE]",
        "and the other is [CARD_NUMBER]",
    )
    assert [(one.kind, one.place) for one in final.redactions] == [("card_number", 4)]
    assert SegmentRevised(final) in await call.events()


async def test_a_partial_shows_no_number_that_may_grow(redis: Redis) -> None:
    texts = ["my card is 4738 2916 0563 7481 and now", "it is 4738"]
    async with spoken(redis, texts) as call, redis.pubsub() as told:
        await told.subscribe(CALL.live)
        messages = told.listen()
        await anext(messages)
        shown = []
        for number in range(2):
            await call.begin_to_say(number)
            event = event_of((await anext(messages))["data"][2:])
            assert isinstance(event, Partial)
            shown.append(" ".join(word.text for word in event.words))

    assert shown == ["my card is [CARD_NUMBER] and now", "it is"]
    assert not contains_number(await everything_in(redis), "4738")


async def test_a_worker_that_joins_a_call_sends_no_partial_with_an_older_state(
    redis: Redis,
) -> None:
    texts = ["my card is 4738 2916", "0563 7481 okay thank you very much"]
    call = SpokenCall(redis, texts, Policy())
    await call.begin()
    async with working(redis, call.engine):
        await call.say(0)
    async with working(redis, call.engine, name="worker-2"), redis.pubsub() as told:
        await told.subscribe(CALL.live)
        messages = told.listen()
        await anext(messages)
        async with monitored(redis) as commands:
            await call.begin_to_say(1)
            event = event_of((await anext(messages))["data"][2:])

    assert isinstance(event, Partial)
    assert [word.text for word in event.words] == [
        "[CARD_NUMBER]",
        *["okay", "thank", "you", "very", "much"],
    ]
    assert not any("0563" in one and "7481" in one for one in commands)


async def test_a_formatted_final_is_redacted_and_revised_in_both_forms(redis: Redis) -> None:
    texts = ["twenty five dollars and four seven three eight", "2916", "0563 7481"]
    async with spoken(redis, texts, form=AS_WRITTEN) as call:
        await call.say(0)
        before = await call.shown()
        for number in (1, 2):
            await call.say(number)

    assert before == ["$25 and 4738."]
    first = next(event for event in await call.events() if isinstance(event, Final))
    assert first.text == "$25 and [CARD_NUMBER]"
    assert [word.text for word in first.lexical] == [
        "twenty",
        "five",
        "dollars",
        "and",
        "[CARD_NUMBER]",
    ]
    assert [(one.kind, one.place) for one in first.redactions] == [("card_number", 2)]
    left = await everything_in(redis)
    assert not contains_number(left, "4738") and b"seven" not in left


async def test_a_site_may_switch_redaction_off(redis: Redis) -> None:
    async with spoken(redis, ["it is 4738 2916 0563 7481"], NO_REDACTION) as call:
        await call.say(0)

    assert await call.shown() == ["it is 4738 2916 0563 7481"]


def final_of(*texts: str) -> Final:
    words = tuple(map(Word, texts))
    return Final(SegmentId(0, 0), Span(0, 8_000), words, "en", 0, (), "engine", Timing(0, 0))


def test_a_state_that_cannot_be_read_counts_as_none() -> None:
    final = final_of("4738", "2916", "0563", "7481")

    assert redacted_final(final, Policy(), b"rubbish").final.text == "[CARD_NUMBER]"


def test_words_that_cannot_be_checked_are_withheld_with_a_flag() -> None:
    broken = 4738  # no engine makes words of numbers
    final = redacted_final(final_of("it", broken), Policy(), b"").final  # type: ignore[arg-type]
    job = Job("call-1", "log-a", SegmentId(0, 0), 0, 0.0, "en")

    assert (final.words, final.flags) == ((), ("withheld:redaction_failed",))
    assert final.is_withheld
    assert hidden(job, Span(0, 8_000), ["it", broken], b"") == []  # type: ignore[list-item]


def test_a_redacted_final_says_kind_place_and_time_to_clients() -> None:
    shown = redacted_final(final_of("it", "is", "4738", "2916", "0563", "7481"), Policy(), b"")

    line = EventJsonWriter("call-1").write(entry_of(shown.final, 1))

    assert '"redactions":[{"kind":"card_number","word":2,"s":0,"e":1000}]' in line
