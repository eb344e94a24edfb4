"""
Evaluates rules on the events of one call.  Pure.

The id of a card is made of the rule and its cause, so that the same cause gives the same card: in every process
that evaluates the rules, and when the log is read again.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from protocol.clock import from_ms, from_seconds
from protocol.events import (
    CallEnded,
    CallStarted,
    CardAdded,
    Entry,
    Final,
    SegmentDropped,
    SegmentFailed,
    SegmentId,
    Span,
    SpeechStarted,
)

from .rules import CardText, Rule, When, words_of

_KEPT = 8
"""Finals of each channel that can overlap with one of another channel: they arrive in order."""


@dataclass(slots=True)
class CallRules:
    """The rules of one call, and what of its events they need."""

    rules: Sequence[Rule]
    _roles: tuple[str, ...] = ()
    _started_at: float = 0.0
    _open: set[SegmentId] = field(default_factory=set)
    _quiet_since: int | None = None
    """End of the last speech; None before the first."""

    _noted: set[str] = field(default_factory=set)
    """Names of the rules that have noticed the present silence."""

    _finals: dict[int, deque[tuple[SegmentId, Span]]] = field(default_factory=dict)
    _has_ended: bool = False
    _added: set[str] = field(default_factory=set)

    def feed(self, entry: Entry) -> list[CardAdded]:
        """Take the next event.  Returns the cards that it causes and the call does not have."""
        return self._new(self._caused(entry))

    def _caused(self, entry: Entry) -> Iterator[CardAdded]:
        match entry.event:
            case CallStarted():
                self._roles, self._started_at = entry.event.roles, entry.event.started_at
            case CardAdded(card_id):
                self._added.add(card_id)
            case SpeechStarted(segment, start):
                if not self._open and self._quiet_since is not None:
                    yield from self._silences(start)
                self._open.add(segment)
            case Final():
                yield from self._of_final(entry.event)
                self._ended(entry.event.segment, entry.event.span)
            case SegmentFailed(segment, span) | SegmentDropped(segment, span):
                self._ended(segment, span)
            case CallEnded():
                self._has_ended = True
            case _:
                pass

    def tick(self, now: float) -> list[CardAdded]:
        """Return cards for silence that goes on.  `now`: Unix seconds, by the clock of `call.started`."""
        is_quiet = self._quiet_since is not None and not self._open and not self._has_ended
        return (
            self._new(self._silences(from_seconds(max(0.0, now - self._started_at))))
            if is_quiet
            else []
        )

    def _new(self, cards: Iterator[CardAdded]) -> list[CardAdded]:
        """Leave out cards that the call has."""
        new = [card for card in cards if card.card_id not in self._added]
        self._added.update(card.card_id for card in new)
        return new

    def _ended(self, segment: SegmentId, span: Span) -> None:
        self._open.discard(segment)
        self._quiet_since = max(span.end, self._quiet_since or 0)
        self._noted.clear()

    def _silences(self, until: int) -> Iterator[CardAdded]:
        since = self._quiet_since or 0
        for rule in self.rules:
            seconds = rule.when.silence_seconds
            if seconds is None or rule.name in self._noted:
                continue
            if until - since >= from_seconds(seconds):
                self._noted.add(rule.name)
                yield _card(rule, f"silence:{since}", since + from_seconds(seconds), None)

    def _of_final(self, final: Final) -> Iterator[CardAdded]:
        channel = final.segment.channel
        role = self._roles[channel] if channel < len(self._roles) else "mixed"
        found = frozenset(term.casefold() for term in final.keywords_found)
        spoken = _Spoken(words_of(final.text), found)
        for rule in self.rules:
            if rule.when.by in ("anyone", role) and spoken.fulfils(rule.when):
                yield _card(rule, f"final:{final.segment}", final.span.start, final.segment)
        yield from self._overlaps(final)
        self._finals.setdefault(channel, deque(maxlen=_KEPT)).append((final.segment, final.span))

    def _overlaps(self, final: Final) -> Iterator[CardAdded]:
        others = [
            one
            for channel, finals in self._finals.items()
            for one in finals
            if channel != final.segment.channel
        ]
        for rule in self.rules:
            seconds = rule.when.talk_over_seconds
            if seconds is None:
                continue
            for segment, span in others:
                if span.shared(final.span) >= from_ms(int(1_000 * seconds)):
                    pair = sorted((str(segment), str(final.segment)))
                    at = max(span.start, final.span.start)
                    yield _card(rule, f"talk_over:{':'.join(pair)}", at, final.segment)


@dataclass(slots=True)
class _Spoken:
    """The words of a final, prepared so that the cost of a rule does not depend on their number."""

    words: tuple[str, ...]
    keywords: frozenset[str]
    _runs: dict[int, set[tuple[str, ...]]] = field(default_factory=dict)

    def fulfils(self, when: When) -> bool:
        """Return whether the final fulfils the condition `said` or `keyword`."""
        if when.keyword is not None:
            return not self.keywords.isdisjoint(when.keywords or self.keywords)
        return any(phrase in self._runs_of(len(phrase)) for phrase in when.phrases)

    def _runs_of(self, size: int) -> set[tuple[str, ...]]:
        """Return all runs of `size` consecutive words."""
        if size not in self._runs:
            starts = range(len(self.words) - size + 1)
            self._runs[size] = {self.words[at : at + size] for at in starts}
        return self._runs[size]


def _card(rule: Rule, cause: str, at: int, segment: SegmentId | None) -> CardAdded:
    cause = "call" if rule.once else cause
    name = hashlib.sha256(f"{rule.name}\0{cause}".encode()).hexdigest()[:24]
    card = rule.card or CardText(rule.name)
    return CardAdded(
        f"rule-{name}", card.title, at, card.text, card.link, card.audience, segment, rule.name
    )
