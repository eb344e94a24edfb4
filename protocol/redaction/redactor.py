"""
Redacts the words of a call, segment by segment.

Pure. The state of the call goes in and out (`CallState`); it holds no digit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..events import SegmentId, Span
from .call_state import CallState, Edge, Fact, masked
from .identities import Identity, identities
from .judgement import Around, is_about_something_else, kinds_of
from .policy import DataKind, Policy
from .segment.card_numbers import SHORTEST, is_card_number
from .segment.cues import CARD_TOPICS, Topic
from .segment.numbers_said import Said, numbers_of, topic_of

_CARD_DATA = frozenset({DataKind.CARD_NUMBER, DataKind.SECURITY_CODE, DataKind.EXPIRY})


@dataclass(frozen=True, slots=True)
class Mask:
    """Words that are not shown. `first` and `last`: indices of the words, both included."""

    first: int
    last: int
    kind: DataKind
    keep: str = ""
    """Digits that are shown after the tag."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A mask for the shown words of an earlier segment."""

    segment: SegmentId
    mask: Mask


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """The words of a segment, as the engine wrote them."""

    segment: SegmentId
    span: Span
    words: tuple[str, ...]
    language: str
    """ISO 639 code of the language of the words."""


@dataclass(frozen=True, slots=True)
class Redacted:
    """What to mask in a segment and in earlier ones, and the state for the next segment."""

    masks: tuple[Mask, ...]
    revisions: tuple[Revision, ...]
    state: CallState


def redact(
    state: CallState, heard: RecognisedText, policy: Policy, found: Sequence[Mask] = ()
) -> Redacted:
    """
    Decide what to mask. Idempotent: the same segment again gives the same masks.

    `found`: masks of kinds that an engine finds (`BY_ENGINE`).
    """
    if not policy.kinds:
        return Redacted((), (), state)
    return _Segment(state.without(heard.segment), heard, policy).decide(found)


class _Segment:
    """One segment in its call."""

    def __init__(self, state: CallState, heard: RecognisedText, policy: Policy) -> None:
        self._state = state
        self._heard = heard
        self._policy = policy
        self._said = numbers_of(heard.words, heard.language)
        self._topic, asked_at = state.topic(heard.span.start)
        before = tuple(state.before(heard.segment, heard.span.start))
        is_new = bool(before) and before[0].span.end < asked_at
        asked_anew = is_new and self._topic not in (*CARD_TOPICS, Topic.OTHER_WEAK)
        self._before = () if asked_anew else before
        self._after = tuple(state.after(heard.segment, heard.span.end))
        self._after_card = state.is_after_card(heard.span.start)

    def decide(self, found: Sequence[Mask]) -> Redacted:
        whole = identities(self._said, self._topic, self._heard.language, self._policy.kinds)
        judged = [_Judged(said, self._kind(said, whole)) for said in self._said.numbers]
        masks = [
            *found,
            *(Mask(one.first, one.last, one.kind) for one in whole),
            *(_mask(one, self._policy) for one in judged),
        ]
        shown = _merged(mask for mask in masks if mask and mask.kind in self._policy.kinds)
        revised = [*self._revised_before(judged), *self._revised_after(judged)]
        state = self._state.replacing(fact for fact, _ in revised)
        fact = self._fact(judged, shown)
        return Redacted(shown, tuple(one for _, one in revised), state.adding(fact))

    def _kind(self, said: Said, whole: Sequence[Identity]) -> DataKind | None:
        for one in whole:
            if one.first <= said.first and said.last <= one.last:
                return one.kind
        kinds = kinds_of(said, self._around(said))
        kind = next((kind for kind in kinds if kind in self._policy.kinds), None)
        self._after_card |= kind is DataKind.CARD_NUMBER and self._is_complete(said)
        return kind

    def _is_complete(self, said: Said) -> bool:
        around = self._around(said)
        return said.is_card or around.before + said.count + around.after >= SHORTEST

    def _around(self, said: Said) -> Around:
        before = self._before if said.is_lead else ()
        after = self._after if said.is_trail else ()
        leads = [edge for fact in before if (edge := fact.trail)]
        trails = [edge for fact in after if (edge := fact.lead)]
        both = [*leads, *trails]
        return Around(
            sum(edge.count for edge in leads),
            sum(edge.count for edge in trails),
            leads[-1].begins_card if leads else True,
            all(edge.in_fours for edge in both),
            any(edge.kind == DataKind.CARD_NUMBER for edge in both),
            self._topic,
            self._after_card,
            self._said.other_words,
        )

    def _revised_before(self, judged: Sequence["_Judged"]) -> Iterator[tuple[Fact, Revision]]:
        """Masks for the segments that the first number continues."""
        one = judged[0] if judged else None
        if one and one.said.is_lead and one.kind in _CARD_DATA:
            for fact in self._before:
                yield from self._revision(fact, fact.trail, one)

    def _revised_after(self, judged: Sequence["_Judged"]) -> Iterator[tuple[Fact, Revision]]:
        """Masks for segments that were finished earlier and continue the last number."""
        one = judged[-1] if judged else None
        if one and one.said.is_trail and one.kind in _CARD_DATA:
            for fact in self._after:
                yield from self._revision(fact, fact.lead, one)

    def _revision(
        self, fact: Fact, edge: Edge | None, one: "_Judged"
    ) -> Iterator[tuple[Fact, Revision]]:
        """The mask of another part of a number, unless it is masked rightly or `one` is a whole card number."""
        if edge is None or one.kind is None:
            return
        if one.said.is_card and not (edge.count >= 4 and edge.begins_card):
            return
        if edge.kind and not self._was_taken_for_a_code(fact, edge, one):
            return
        last = edge.first if edge.kind else edge.last  # a tag is one word
        yield (
            masked(fact, edge, one.kind),
            Revision(fact.segment, Mask(edge.first, last, one.kind)),
        )

    def _was_taken_for_a_code(self, fact: Fact, edge: Edge, one: "_Judged") -> bool:
        """Whether four digits of a card number were masked as a security code that nobody had asked for."""
        if (edge.kind, one.kind) != (DataKind.SECURITY_CODE, DataKind.CARD_NUMBER):
            return False
        asked, _ = self._state.topic(fact.span.start)
        named = {fact.topic, asked, one.said.topic}
        return edge.in_fours and one.said.in_fours and Topic.CODE not in named

    def _fact(self, judged: Sequence["_Judged"], shown: Sequence[Mask]) -> Fact:
        first, last = (judged[0], judged[-1]) if judged else (None, None)
        return Fact(
            self._heard.segment,
            self._heard.span,
            self._edge(first, shown) if first and first.said.is_lead else None,
            self._edge(last, shown) if last and last.said.is_trail else None,
            bool(first and first.said.is_whole),
            self._said.is_silent,
            topic_of(self._said.cues),
            any(one.kind is DataKind.CARD_NUMBER and self._is_complete(one.said) for one in judged),
        )

    def _edge(self, one: "_Judged", shown: Sequence[Mask]) -> Edge:
        said = one.said
        hidden = any(mask.first <= said.first and said.last <= mask.last for mask in shown)
        moved = sum(mask.last - mask.first for mask in shown if mask.last < said.first)
        return Edge(
            said.count,
            said.begins_card,
            said.in_fours,
            is_about_something_else(said.topic) or one.kind is DataKind.IBAN,
            str(one.kind) if hidden and one.kind else "",
            said.first - moved,
            said.last - moved,
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """A number and the kind of data that it is; None: it is shown."""

    said: Said
    kind: DataKind | None


def _mask(one: _Judged, policy: Policy) -> Mask | None:
    if one.kind is None:
        return None
    said, first = one.said, one.said.first
    if said.month is not None and one.kind in (DataKind.EXPIRY, DataKind.DATE_OF_BIRTH):
        first = said.month
    keep = ""
    if policy.keep_last_four and one.kind is DataKind.CARD_NUMBER:
        keep = next((text[-4:] for text in said.run.readings() if is_card_number(text)), "")
    return Mask(first, said.last, one.kind, keep)


def _merged(masks: Iterable[Mask]) -> tuple[Mask, ...]:
    """The masks in order; those that share a word become one, of the kind of the first."""
    found: list[Mask] = []
    for mask in sorted(masks, key=lambda one: (one.first, -one.last)):
        if found and mask.first <= found[-1].last:
            found[-1] = replace(found[-1], last=max(found[-1].last, mask.last))
        else:
            found.append(mask)
    return tuple(found)
