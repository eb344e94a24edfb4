"""A call with several streams: all of them under the id of the call."""

import json
from dataclasses import replace

import pytest
from support.call_records import SECOND, ended, final, recorded, started

from protocol.calls.call import Role
from protocol.events import CallStarted, KeywordsApplied, LoggedEvent
from transcripts.formats.export import FORMS, export
from transcripts.formats.render import render
from transcripts.outbox import Recorded
from transcripts.store import Store
from transcripts.transcript import Transcript

BEGAN = 1_700_000_000.0


def log(name: str, *events: LoggedEvent) -> list[Recorded]:
    return [replace(one, log=name) for one in recorded("c1", *events)]


def stream(name: str, text: str, *, at: float, seconds: int = 2) -> list[Recorded]:
    words = final(text, channel=1)
    return log(name, started(BEGAN + at), words, ended(duration=seconds * SECOND))


@pytest.fixture
def call(store: Store) -> Transcript:
    """Three streams of two seconds each, at 0, 10 and 11 s; the third begins before the second has ended."""
    for one in (
        stream("a1", "before", at=0),
        stream("b2", "hold", at=10),
        stream("c3", "after", at=11),
    ):
        store.record(one)
    whole = store.whole("c1")
    assert whole is not None
    return whole


def test_all_pieces_stand_in_order_on_one_clock(call: Transcript) -> None:
    assert [(one.text, one.span.start // SECOND) for one in call.segments] == [
        ("before", 0),
        ("hold", 10),
        ("after", 12),
    ]
    assert [one.words[0].start for one in call.segments] == [0, 10 * SECOND, 12 * SECOND]
    assert [(one.call_id, one.start // SECOND) for one in call.pieces] == [
        ("c1", 0),
        ("c1~2", 10),
        ("c1~3", 12),
    ]
    assert call.call.duration == 14 * SECOND


def test_the_gap_between_two_streams_is_reported_and_counted(call: Transcript) -> None:
    spans = {(gap.channel, gap.span.start // SECOND, gap.span.end // SECOND) for gap in call.gaps}

    assert spans == {(0, 2, 10), (1, 2, 10)}
    assert [totals.paused for totals in call.call.channels] == [8 * SECOND] * 2


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_all_of_it(call: Transcript, form: str) -> None:
    written = export(call, form)

    assert all(word in written for word in ("before", "hold", "after"))


def test_readers_see_where_it_was_interrupted(call: Transcript) -> None:
    lines = export(call, "txt").splitlines()
    body = json.loads(export(call, "json"))

    assert lines[1] == "[00:10] (the stream was stopped; it continues as c1~2)"
    assert [piece["start_ms"] for piece in body["pieces"]] == [0, 10_000, 12_000]
    assert [segment.get("call_id", "c1") for segment in body["segments"]] == ["c1", "c1~2", "c1~3"]
    assert len(getattr(render(call), "renderables")) == 6  # noqa: B009  # rich does not type it


def test_a_piece_is_had_alone_and_a_call_of_one_piece_says_nothing_of_pieces(store: Store) -> None:
    store.record(stream("a1", "before", at=0))
    alone = store.whole("c1")
    store.record(stream("b2", "after", at=10))

    assert alone == store.transcript("c1")
    assert store.whole("c1~2") == store.transcript("c1~2")
    assert store.whole("nobody") is None
    assert "pieces" not in json.loads(export(alone, "json")) if alone else False


def test_channels_are_matched_by_their_roles(store: Store) -> None:
    store.record(
        log(
            "a1",
            CallStarted((Role.AGENT, Role.CUSTOMER), "en", "twilio", BEGAN),
            final("a", channel=1),
        )
    )
    store.record(log("b2", CallStarted((Role.CUSTOMER,), "en", "twilio", BEGAN + 5), final("b")))
    store.record(log("c3", CallStarted((Role.MIXED,), "en", "twilio", BEGAN + 9), final("c")))

    whole = store.whole("c1")

    assert whole is not None
    heard = [(whole.call.role(one.segment.channel), one.text) for one in whole.segments]
    assert heard == [("customer", "a"), ("customer", "b"), ("mixed", "c")]


def test_revisions_of_keywords_count_on(store: Store) -> None:
    for name, at, term in (("a1", 0, "Acme"), ("b2", 9, "Orvanta")):
        store.record(log(name, started(BEGAN + at), KeywordsApplied(0, (term,), ()), final(term)))

    whole = store.whole("c1")

    assert whole is not None
    assert [(one.revision, one.accepted) for one in whole.keyword_lists] == [
        (0, ("Acme",)),
        (1, ("Orvanta",)),
    ]
    assert [one.keywords_revision for one in whole.segments] == [1, 2]


def test_an_erased_call_is_gone_with_all_its_pieces_and_a_piece_alone(store: Store) -> None:
    for number, name in enumerate(("a1", "b2", "c3")):
        store.record(stream(name, "words", at=10 * number))

    assert store.delete("c1~2")
    store.record(stream("d4", "words", at=40))
    names = [one.call_id for one in store.calls()]
    assert store.delete("c1")

    assert sorted(names) == ["c1", "c1~3", "c1~4"]  # a number is not given twice
    assert store.calls() == []
