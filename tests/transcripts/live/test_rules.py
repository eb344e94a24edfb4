"""Rules: which events cause which cards, once for each cause."""

import time

import pytest

from protocol.calls.call import Role
from protocol.events import (
    Audience,
    CallStarted,
    CardAdded,
    Entry,
    Final,
    LoggedEvent,
    SegmentId,
    Span,
    SpeechStarted,
    Timing,
    Word,
)
from protocol.events.event_codec import entry_of
from transcripts.live.rule_engine import CallRules
from transcripts.live.rules import MOST_RULES, CardText, Rule, RuleError, When, checked, read_yaml

SECOND = 8_000
STARTED = CallStarted((Role.AGENT, Role.CUSTOMER), "en", "native", 1_000.0)

FILE = b"""
rules:
  - name: Cancellation
    when:
      said: ["cancel my contract", "don't want it"]
      by: customer
    card:
      title: Offer the loyalty discount
      text: Ten percent for a year.
      link: https://wiki.example.com/loyalty
      for: agent
  - name: Product
    when: {keyword: [Orvanta]}
    card: {title: Product sheet}
  - name: Silence
    when: {silence_seconds: 10}
    card: {title: Nobody speaks, for: supervisor}
  - name: Interruptions
    when: {talk_over_seconds: 2}
    once: true
    card: {title: Both talk at once}
"""


def final(channel: int, number: int, start: float, end: float, text: str, *found: str) -> Final:
    words = tuple(Word(word) for word in text.split())
    span = Span(int(start * SECOND), int(end * SECOND))
    return Final(
        SegmentId(channel, number), span, words, "en", 0, found, "engine", Timing(0, 0)
    )  # fmt: skip


def begun(channel: int, number: int, start: float) -> SpeechStarted:
    return SpeechStarted(SegmentId(channel, number), int(start * SECOND))


def entries(*events: LoggedEvent) -> list[Entry]:
    return [entry_of(event, seq) for seq, event in enumerate((STARTED, *events), 1)]


def cards_of(*events: LoggedEvent) -> list[CardAdded]:
    rules = CallRules(read_yaml(FILE))
    return [card for entry in entries(*events) for card in rules.feed(entry)]


@pytest.mark.parametrize(
    ("text", "channel", "expected"),
    [
        ("I want to cancel my contract today", 1, ["Cancellation"]),
        ("I want to Cancel, my CONTRACT!", 1, ["Cancellation"]),
        ("I dont want it", 1, ["Cancellation"]),
        ("you can cancel my contract", 0, []),  # the agent said it
        ("cancel the contract", 1, []),
        ("cancel my contracts", 1, []),
    ],
)
def test_a_phrase_of_the_customer_causes_a_card_beside_its_segment(
    text: str, channel: int, expected: list[str]
) -> None:
    cards = cards_of(final(channel, 3, 10, 12, text))

    assert [card.rule for card in cards] == expected
    for card in cards:
        assert (card.segment, card.at) == (SegmentId(channel, 3), 10 * SECOND)
        assert (card.title, card.audience) == ("Offer the loyalty discount", Audience.AGENT)
        assert card.link == "https://wiki.example.com/loyalty"


def test_a_keyword_causes_one_card_for_each_segment_that_contains_it() -> None:
    cards = cards_of(
        final(0, 0, 0, 1, "Orvanta it is", "Orvanta"),
        final(0, 1, 2, 3, "no name"),
        final(1, 0, 4, 5, "orvanta", "orvanta"),
    )

    assert [(card.rule, str(card.segment)) for card in cards] == [
        ("Product", "0-0"),
        ("Product", "1-0"),
    ]


def test_silence_causes_one_card_however_often_the_clock_is_read() -> None:
    rules = CallRules(read_yaml(FILE))
    for entry in entries(begun(0, 0, 0), final(0, 0, 0, 5, "hello")):
        rules.feed(entry)

    early = rules.tick(1_000.0 + 14.9)
    cards = [*rules.tick(1_000.0 + 15.0), *rules.tick(1_000.0 + 16.0)]
    later = [card for entry in entries(begun(0, 1, 25)) for card in rules.feed(entry)]

    assert early == []
    assert [(card.rule, card.at, card.segment) for card in cards] == [
        ("Silence", 15 * SECOND, None)
    ]
    assert later == []


def test_silence_that_is_over_is_found_when_the_log_is_read_again_and_has_the_same_card() -> None:
    live = CallRules(read_yaml(FILE))
    for entry in entries(begun(0, 0, 0), final(0, 0, 0, 5, "hello")):
        live.feed(entry)

    (card,) = live.tick(1_015.0)
    again = cards_of(begun(0, 0, 0), final(0, 0, 0, 5, "hello"), begun(1, 0, 20))

    assert again == [card]


def test_no_silence_while_somebody_speaks_or_before_the_first_word() -> None:
    rules = CallRules(read_yaml(FILE))
    rules.feed(entries()[0])
    before = rules.tick(1_100.0)
    for entry in entries(begun(0, 0, 0), final(0, 0, 0, 5, "hello"), begun(1, 0, 6)):
        rules.feed(entry)

    assert before == []
    assert rules.tick(1_100.0) == []


def test_talk_over_counts_the_time_in_which_both_speak_and_can_be_told_once() -> None:
    assert cards_of(final(0, 0, 0, 5, "a"), final(1, 0, 3.5, 8, "b")) == []

    cards = cards_of(
        final(0, 0, 0, 5, "a"),
        final(1, 0, 3, 8, "b"),
        final(0, 1, 6, 20, "c"),
        final(1, 1, 9, 20, "d"),
    )

    assert [(card.rule, str(card.segment), card.at) for card in cards] == [
        ("Interruptions", "1-0", 3 * SECOND)
    ]


def test_a_card_in_the_log_is_not_caused_again() -> None:
    events = (final(1, 0, 0, 2, "cancel my contract"),)
    (card,) = cards_of(*events)
    rules = CallRules(read_yaml(FILE))

    again = [one for entry in entries(card, *events) for one in rules.feed(entry)]

    assert again == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"rules: [", "not YAML"),
        (b"rules: 3", "`array`"),
        (b"rule: []", "unknown field `rule`"),
        (b"rules: [{name: a, when: {said: [x]}}]", "`card`"),
        (b"rules: [{name: a, when: {}, card: {title: t}}]", "rule 1 (a)"),
        (b"rules: [{name: a, when: {said: [x], silence_seconds: 3}, card: {title: t}}]", "one of"),
        (b"rules: [{name: a, when: {said: ['!']}, card: {title: t}}]", "one word"),
        (b"rules: [{name: a, when: {silence_seconds: 0}, card: {title: t}}]", ">= 1"),
        (
            b"rules: [{name: a, when: {said: [x]}, card: {title: t, link: 'javascript:alert(1)'}}]",
            "https://",
        ),
        (
            b"rules: [{name: a, when: {said: [x]}, card: {title: t}, webhook: 'https://x'}]",
            "`webhook: true` sends",
        ),
        (b"rules: [{name: a, when: {said: [x]}, card: {title: t, for: boss}}]", "'boss'"),
        (
            b"rules: [{name: a, when: {said: [x]}, card: {title: t}}, {name: a, when: {said: [y]}, card: {title: t}}]",
            "two rules have the name a",
        ),
        (b"rules: [{name: a, tenant: '../b', when: {said: [x]}, card: {title: t}}]", "tenant"),
        (b"x" * 300_000, "KiB"),
        (b"a: \x00", "YAML"),
        (b"", "empty"),
    ],
)
def test_an_invalid_file_is_refused_with_what_to_correct(text: bytes, said: str) -> None:
    with pytest.raises(RuleError, match=r".") as refused:
        read_yaml(text)

    assert said in str(refused.value)


def test_the_largest_rules_do_not_delay_a_final() -> None:
    phrases = [f"a b {number}" for number in range(100)]
    rules = checked(
        Rule(f"r{number}", When(said=phrases), CardText("t")) for number in range(MOST_RULES)
    )
    engine = CallRules(rules)
    text = "a b " * 100
    first, *later = entries(*(final(0, number, number, number + 1, text) for number in range(3)))
    engine.feed(first)  # the event `call.started`
    began = time.process_time()
    for entry in later:
        assert engine.feed(entry) == []
    seconds = (time.process_time() - began) / len(later)
    assert seconds < 0.1  # phrase by phrase against all words: 0.6 s


def test_a_silence_that_all_rules_have_noticed_costs_little_each_second() -> None:
    engine = CallRules(
        [Rule(f"r{n}", When(silence_seconds=1), CardText("t")) for n in range(MOST_RULES)]
    )
    for entry in entries(final(0, 0, 1, 2, "hello")):
        engine.feed(entry)
    first = engine.tick(STARTED.started_at + 10)
    began = time.process_time()
    later = [engine.tick(STARTED.started_at + second) for second in range(11, 211)]
    seconds = time.process_time() - began

    assert len(first) == MOST_RULES
    assert not any(later)
    assert seconds < 0.1  # making the cards again each second: 0.3 s
