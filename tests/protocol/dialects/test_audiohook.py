"""Genesys AudioHook."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import load, replay, request

from protocol.bridge_events import (
    AudioReceived,
    AudioSkipped,
    BridgeEvent,
    BridgeWarning,
    CallClosed,
    CallOpened,
    DialectError,
    FinalizeRequested,
    LanguageChanged,
    WarningCode,
)
from protocol.calls.call import Role
from protocol.dialects.audiohook.dialect import AudioHook
from protocol.dialects.audiohook.messages import duration_of, samples_of
from protocol.events import Account, CallEnded, Entry, Final, Partial, SegmentId, Span, Timing, Word
from protocol.events.event_codec import entry_of

SESSION = "c328eb04-b111-435b-a779-3132e23c52b3"
NOBODY = "00000000-0000-0000-0000-000000000000"
STEREO = {"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}


class Client:
    """Counts its messages as Genesys does."""

    def __init__(self) -> None:
        self.hook = AudioHook(request("/audiohook", {"audiohook-session-id": SESSION}))
        self.seq = 0

    def says(self, kind: str, /, **parameters: Any) -> list[BridgeEvent]:
        self.seq += 1
        return self.raw({"type": kind, "seq": self.seq, "parameters": parameters})

    def raw(self, changes: dict[str, Any]) -> list[BridgeEvent]:
        head = {"version": "2", "id": SESSION, "serverseq": 0, "position": "PT0S"}
        return self.hook.receive(json.dumps(head | changes))

    def opens(self, **changes: Any) -> list[BridgeEvent]:
        parameters = {
            "conversationId": "c1",
            "participant": {"id": "p1"},
            "media": [STEREO],
        }
        return self.says("open", **(parameters | changes))

    def received(self) -> list[Any]:
        return [json.loads(message) for message in self.hook.outbox()]


def final(text: str) -> Entry:
    words = tuple(Word(word) for word in text.split())
    return entry_of(
        Final(SegmentId(0, 0), Span(0, 8_000), words, "en", 0, (), "e", Timing(1, 2), ()), 1
    )


def partial(text: str) -> Entry:
    words = tuple(Word(word) for word in text.split())
    return entry_of(Partial(SegmentId(0, 0), Span(0, 8_000), 1, words, 0), None)


def test_a_recorded_conversation() -> None:
    (opened, *rest), _ = replay(load("audiohook"))

    assert isinstance(opened, CallOpened)
    assert opened.call_id == "090eaa2f-72fa-480a-83e0-8667ff89c0ec"
    assert opened.roles == (Role.CUSTOMER, Role.AGENT)
    assert opened.config.keywords.terms == ("Acme",)
    audio = [event for event in rest if isinstance(event, AudioReceived)]
    assert [(event.channel, event.position, len(event.pcm)) for event in audio] == [
        (0, 0, 4),
        (1, 0, 4),
        (0, 12_004, 2),
        (1, 12_004, 2),
    ]
    assert [event for event in rest if not isinstance(event, AudioReceived)] == [
        AudioSkipped(12_000, Account.LOST_UPSTREAM, "discarded by the bridge"),
        FinalizeRequested(None),
        FinalizeRequested(None),
        AudioSkipped(16_000, Account.PAUSED, "paused by the bridge"),
        CallClosed(),
    ]


def test_one_of_the_offered_media_is_taken_as_it_was_offered() -> None:
    inverted = STEREO | {"channels": ["internal", "external"]}
    mono = STEREO | {"channels": ["external"]}
    client = Client()

    (opened,) = client.opens(media=[mono, inverted])

    assert isinstance(opened, CallOpened)
    assert opened.roles == (Role.AGENT, Role.CUSTOMER)
    assert client.received()[0]["parameters"] == {"media": [inverted]}


def test_a_probe_is_answered_and_is_no_call() -> None:
    client = Client()

    events = client.opens(conversationId=NOBODY, participant={"id": NOBODY})
    events += client.hook.receive(b"\xff\xff") + client.says("ping") + client.says("close")

    assert events == []
    assert [(answer["type"], answer["clientseq"]) for answer in client.received()] == [
        ("opened", 1),
        ("pong", 2),
        ("closed", 3),
    ]


def test_what_is_paused_or_discarded_advances_the_clock() -> None:
    client = Client()
    client.opens()

    client.says("paused")
    client.says("resumed", start="PT0S", discarded="PT2.5S")
    heard = client.hook.receive(b"\xff\xff")

    assert [event.position for event in heard if isinstance(event, AudioReceived)] == [20_000] * 2


def test_closed_is_said_when_the_last_words_are_out() -> None:
    client = Client()
    client.opens()
    client.received()

    client.says("close", reason="end")
    before = client.received()
    client.hook.notify(final("Goodbye."))
    client.hook.notify(entry_of(CallEnded("completed", 8_000, 1, ()), 2))

    assert before == []
    assert [answer["type"] for answer in client.received()] == ["event", "closed"]


def test_all_versions_of_an_utterance_have_one_id_and_different_ones_different_ids() -> None:
    client = Client()
    client.opens()
    client.received()

    client.hook.notify(partial("hello"))
    client.hook.notify(final("Hello."))

    first, last = (answer["parameters"]["entities"][0]["data"] for answer in client.received())
    assert first["id"] == last["id"]
    assert (first["isFinal"], last["isFinal"]) == (False, True)


def test_finals_alone_may_be_asked_for() -> None:
    client = Client()
    client.opens(customConfig={"partials": False})
    client.received()

    client.hook.notify(partial("hello"))
    client.hook.notify(final("Hello."))

    assert len(client.received()) == 1


def test_our_messages_are_counted_without_holes() -> None:
    client = Client()
    client.opens()
    for _ in range(5):
        client.says("ping")
        client.hook.notify(final("Hello."))

    assert [answer["seq"] for answer in client.received()] == list(range(1, 12))


@given(st.integers(0, 10**9))
def test_durations_survive(milliseconds: int) -> None:
    assert samples_of(duration_of(milliseconds * 8)) == milliseconds * 8


@pytest.mark.parametrize(
    ("samples", "written"), [(0, "PT0S"), (39_200, "PT4.9S"), (8_000, "PT1S"), (8_008, "PT1.001S")]
)
def test_durations_are_written_short(samples: int, written: str) -> None:
    assert duration_of(samples) == written


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"type": "ping", "seq": 1}, "ping before open"),
        ({"type": "open", "seq": 1, "version": "1"}, "version must be '2'"),
        ({"type": "open", "seq": 1, "id": "another"}, "id must be the id of the session"),
        ({"type": "open", "seq": 1, "parameters": {}}, "media must be a list"),
    ],
)
def test_blame_is_precise_and_the_client_is_asked_to_leave(
    changes: dict[str, Any], complaint: str
) -> None:
    client = Client()

    with pytest.raises(DialectError, match=complaint) as fault:
        client.raw(changes)
    client.hook.report_error("bad_message", str(fault.value))

    (answer,) = client.received()
    assert (answer["type"], answer["parameters"]["reason"]) == ("disconnect", "error")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"media": []}, "media must offer PCMU"),
        ({"media": [STEREO | {"format": "L16"}]}, "media must offer PCMU"),
        ({"media": [STEREO | {"channels": ["external", "external"]}]}, "media must offer PCMU"),
        ({"media": "PCMU"}, "media must be a list"),
    ],
)
def test_an_open_that_cannot_be_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DialectError, match=complaint):
        Client().opens(**changes)


def test_another_language_cuts_what_is_being_said_and_holds_from_there() -> None:
    client = Client()
    client.opens(language="en-US")

    changed = client.says("update", language="fr-FR")
    same = client.says("update", language="fr-FR")

    assert changed == [FinalizeRequested(None), LanguageChanged("fr")]
    assert same == [FinalizeRequested(None)]


def test_a_missing_message_is_reported_and_later_messages_are_understood() -> None:
    client = Client()
    client.opens()
    client.seq += 1

    warned, cut = client.says("paused")

    assert warned == BridgeWarning(WarningCode.BAD_MESSAGE, "seq 3 received, 2 expected")
    assert cut == FinalizeRequested(None)


def test_a_client_that_asks_for_the_languages_is_given_tags_with_a_region() -> None:
    """The vendor's own test client takes no others: ^[a-z]{2,3}-[A-Za-z]{2,3}$"""
    client = Client()
    seen = replace(request("/audiohook"), languages=("de", "en", "fi", "sw"))
    client.hook = AudioHook(seen)

    client.opens(supportedLanguages=True)

    tags = client.received()[0]["parameters"]["supportedLanguages"]
    assert [tag for tag in tags if tag in {"de-DE", "en-US", "fi-FI", "sw-ZZ"}] == [
        "de-DE", "en-US", "fi-FI", "sw-ZZ",
    ]  # fmt: skip
    assert all(re.fullmatch("[a-z]{2,3}-[A-Za-z]{2,3}", tag) for tag in tags)


@pytest.mark.parametrize("asked", [{}, {"supportedLanguages": False}])
def test_clients_that_do_not_ask_get_no_languages(asked: dict[str, bool]) -> None:
    client = Client()

    client.opens(**asked)

    assert client.received()[0]["parameters"] == {"media": [STEREO]}


def test_the_close_behind_a_refusal_is_answered_for_the_client_waits_ten_seconds_for_that() -> None:
    client = Client()
    with pytest.raises(DialectError):
        client.opens(media=[])
    client.hook.report_error("bad_message", "media must offer PCMU")

    events = client.hook.receive(b"\xff") + client.says("close", reason="disconnect")

    assert events == []
    assert client.hook.has_parted
    assert [answer["type"] for answer in client.received()] == ["disconnect", "closed"]
