"""
Redacts what is keyed in by DTMF: payment by keypad.

Keys are held back in memory until their run has ended, so that no digit of a card number reaches the event log. A
run ends with a pause, with `#` or `*`, or with the call. Pure; positions are samples of the call clock.
"""

from dataclasses import dataclass, field

from ..clock import from_seconds
from ..events import DtmfPressed, Final
from ..numbers.tokens import tokenise
from .judgement import is_about_something_else, is_month_and_year
from .policy import DataKind, Policy
from .segment.card_numbers import LONGEST, SHORTEST, is_card_number, may_begin
from .segment.cues import CARD_TOPICS, Topic, cues
from .segment.numbers_said import topic_of

_PAUSE = from_seconds(4.0)
"""Pause, in samples, that ends a run. People key in faster, and menus wait about as long."""

_PAUSE_IN_CARD = from_seconds(15.0)
"""The same while the digits may be a part of a card number: the caller looks at the card."""

_MEMORY = from_seconds(60.0)
"""How long, in samples, a card number or a question for one counts for the runs after it."""

_MOST_HELD = 200
"""Digits of the longest run: the work at its end is bounded. Nobody keys in so many without a pause."""

_SHORTEST_PART = 4
"""Digits that are held longer if a card number may begin with them."""

_CLEARED = 6
"""Digits that are masked if `*` ends them: the caller begins the number again."""

_CODE_LENGTHS = range(3, 7)
_ENDS = frozenset("#*ABCD")
_SSN = 9


@dataclass(slots=True)
class _Run:
    """The digits of one run, and the position of each key."""

    digits: str = ""
    places: list[int] = field(default_factory=list)


class KeypadRedactor:
    """
    The keys of one call. Each method returns the events that may be logged now, in order.

    A masked run is one event: its `digit` is the tag of its kind.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._runs: dict[int, _Run] = {}
        self._card_at: int | None = None
        self._topic: tuple[Topic, int] | None = None

    @property
    def holds(self) -> bool:
        """Whether keys are held back."""
        return bool(self._runs)

    def press(self, channel: int, digit: str, at: int) -> list[DtmfPressed]:
        """A key was pressed."""
        if not self._policy.kinds:
            return [DtmfPressed(channel, digit, at)]
        before = self.listen(channel, at)
        if digit in _ENDS:
            return [*before, *self._end(channel, digit), DtmfPressed(channel, digit, at)]
        if channel in self._runs and len(self._runs[channel].digits) >= _MOST_HELD:
            before = [*before, *self._end(channel)]
        run = self._runs.setdefault(channel, _Run())
        run.digits += digit
        run.places.append(at)
        return before

    def listen(self, channel: int, position: int) -> list[DtmfPressed]:
        """The channel has been heard up to `position`: a pause may have ended its run."""
        run = self._runs.get(channel)
        if run is None or position - run.places[-1] < self._pause(run):
            return []
        return self._end(channel)

    def flush(self) -> list[DtmfPressed]:
        """The call ends."""
        return [event for channel in [*self._runs] for event in self._end(channel)]

    def hear(self, final: Final) -> None:
        """Take what the speakers say: a card number, or a question for card data."""
        if any(one.kind == DataKind.CARD_NUMBER for one in final.redactions):
            self._card_at = final.span.end
        tags = {one.place for one in final.redactions}
        said = [word.text for at, word in enumerate(final.words) if at not in tags]
        if topic := topic_of(cues(tokenise(said))):
            self._topic = (topic, final.span.end)

    def _pause(self, run: _Run) -> int:
        is_part = len(run.digits) >= _SHORTEST_PART and may_begin(run.digits[:6])
        is_expected = is_part or self._asked(run.places[-1]) in CARD_TOPICS
        return _PAUSE_IN_CARD if is_expected and not is_card_number(run.digits) else _PAUSE

    def _end(self, channel: int, ended_by: str = "") -> list[DtmfPressed]:
        run = self._runs.pop(channel, None)
        if run is None:
            return []
        kinds, policy = self._kinds(run, ended_by), self._policy
        kind = next((kind for kind in kinds if kind in policy.kinds), None)
        if DataKind.CARD_NUMBER in kinds:
            self._card_at = run.places[-1]
            if self._asked(run.places[0]) in CARD_TOPICS:  # answered
                self._topic = None
        if kind is not None:
            first, last = run.places[0], run.places[-1]
            return [DtmfPressed(channel, policy.tag(kind), first, kind, last)]
        pressed = zip(run.digits, run.places, strict=True)
        return [DtmfPressed(channel, digit, at) for digit, at in pressed]

    def _kinds(self, run: _Run, ended_by: str) -> list[DataKind]:
        """The kinds that a run may be of, the likeliest first."""
        count, topic = len(run.digits), self._asked(run.places[0])
        is_code = count in _CODE_LENGTHS and (self._is_after_card(run) or topic is Topic.CODE)
        is_year = is_code and topic is not Topic.CODE and count == _SHORTEST_PART
        found = [
            (DataKind.CARD_NUMBER, _is_card(run.digits, topic)),
            (DataKind.CARD_NUMBER, ended_by == "*" and count >= _CLEARED),
            (DataKind.EXPIRY, (topic is Topic.EXPIRY or is_year) and is_month_and_year(run.digits)),
            (DataKind.SECURITY_CODE, is_code),
            (DataKind.SSN, count == _SSN or topic is Topic.SSN),
            (DataKind.BANK_ACCOUNT, topic is Topic.ACCOUNT and count > _SHORTEST_PART),
            (DataKind.NATIONAL_ID, topic is Topic.NATIONAL_ID and count > _SHORTEST_PART),
            (DataKind.TELEPHONE, topic is Topic.PHONE and count > _SHORTEST_PART),
            (DataKind.DATE_OF_BIRTH, topic is Topic.BIRTH and count >= _SHORTEST_PART),
            (DataKind.NUMBER, count >= min(_CODE_LENGTHS)),
        ]
        return [kind for kind, it_is in found if it_is]

    def _asked(self, position: int) -> Topic | None:
        """What was spoken of shortly before."""
        if self._topic is None or position - self._topic[1] > _MEMORY:
            return None
        return self._topic[0]

    def _is_after_card(self, run: _Run) -> bool:
        return self._card_at is not None and run.places[0] - self._card_at <= _MEMORY


def _is_card(digits: str, topic: Topic | None) -> bool:
    if _has_card_number(digits):
        return True
    if is_about_something_else(topic):
        return False
    return len(digits) >= SHORTEST or (topic in CARD_TOPICS and len(digits) >= _SHORTEST_PART)


def _has_card_number(digits: str) -> bool:
    """Whether some digits in a row are a card number: expiry date and code may follow without a pause."""
    return any(
        is_card_number(digits[start : start + length])
        for length in range(SHORTEST, LONGEST + 1)
        for start in range(len(digits) - length + 1)
    )
