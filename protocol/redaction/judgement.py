"""Decides which kind of data a number is, from the number, its cues and the call so far."""

from dataclasses import dataclass

from .policy import DataKind
from .segment.cues import CARD_DATA_TOPICS, CARD_TOPICS, Topic
from .segment.numbers_said import Said

_YEARS = range(1_900, 2_060)
_LONGEST_CODE = 6
"""Digits of the longest PIN."""

_SURELY_LONG = 13
"""Digits of a number without any cue that is masked whatever it begins with: the first digit may be misheard."""

_ONE_LESS = 12
"""Digits of a number without any cue that may be a card number of 13 digits of which the recogniser lost one."""

_SHORTEST_USUAL = 15

_AN_ANSWER = 3
"""Most other words of a segment that is an answer to a question for a number."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the call says about a number beside its own segment."""

    before: int = 0
    """Digits of earlier segments that it continues."""

    after: int = 0
    """Digits of later segments that continue it."""

    begins_card: bool = True
    """A card number may begin with the first digits of those earlier segments."""

    in_fours: bool = True
    joins_card: bool = False
    """A part that it continues, or that continues it, is masked as a card number."""

    topic: Topic | None = None
    """What was spoken of last, in any channel."""

    after_card: bool = False
    """A card number was said shortly before, in any channel."""

    other_words: int = 0
    """Words of the segment that belong to no number and are no fillers."""


ALONE = Around()


def is_about_something_else(topic: Topic | None) -> bool:
    """Whether a number with this cue is known to be no card data."""
    return topic is not None and topic not in CARD_DATA_TOPICS


def _may_be_paid_by_card(topic: Topic | None) -> bool:
    return topic is None or topic is Topic.OTHER_WEAK


def kinds_of(said: Said, around: Around) -> list[DataKind]:
    """The kinds that a number may be of, the most specific first; empty for a number that no policy redacts."""
    topic = said.topic or around.topic
    found = [
        (DataKind.SSN, _is_ssn(said, topic)),
        (DataKind.EXPIRY, _is_expiry(said, around)),
        (DataKind.SECURITY_CODE, _is_code(said, around)),
        (DataKind.CARD_NUMBER, _is_card(said, around)),
        (DataKind.IBAN, topic is Topic.IBAN and said.count >= 4),
        (DataKind.BANK_ACCOUNT, topic is Topic.ACCOUNT and said.count >= 5),
        (DataKind.NATIONAL_ID, topic is Topic.NATIONAL_ID and said.count >= 5),
        (DataKind.TELEPHONE, topic is Topic.PHONE and said.count >= 5),
        (DataKind.DATE_OF_BIRTH, topic is Topic.BIRTH),
        (DataKind.NUMBER, said.count >= 3),
    ]
    return [kind for kind, it_is in found if it_is]


def _is_card(said: Said, around: Around) -> bool:
    total = around.before + said.count + around.after
    if said.is_card:
        return said.count >= 15 or not is_about_something_else(said.topic)
    if around.joins_card and said.topic is not Topic.OTHER:
        return True
    if _is_whole_in_fours(said, around, total):
        return True
    if _may_be_paid_by_card(said.topic):
        return _is_card_by_call(said, around, total)
    if said.topic in CARD_TOPICS:
        return _is_card_by_cue(said, total)
    return total >= 15 and said.topic in CARD_DATA_TOPICS


def _is_whole_in_fours(said: Said, around: Around, total: int) -> bool:
    """Groups of four over several segments that may be a whole card number, whatever was asked for."""
    is_long = around.before + around.after > 0 and total >= _SHORTEST_USUAL
    begins = around.begins_card if around.before else said.begins_card
    return is_long and begins and around.in_fours and said.in_fours


def _is_card_by_cue(said: Said, total: int) -> bool:
    """A number after `card number`, or after `card`: also an incomplete one, or one with a wrong digit."""
    if total >= 8:
        return True
    if not said.is_trail:
        return (
            said.topic is Topic.CARD
            and said.count >= 4
            and said.distance <= 4
            and not _is_year(said)
        )
    if said.topic is Topic.CARD:
        return (said.count >= 4 and not _is_year(said)) or said.distance <= 3
    return said.count >= 4 and not _is_year(said) and said.distance <= 6


def _is_card_by_call(said: Said, around: Around, total: int) -> bool:
    """A number without a cue in its segment."""
    topic = said.topic or around.topic
    if is_about_something_else(topic) and not (
        total >= _SURELY_LONG and _may_be_paid_by_card(topic)
    ):
        return False
    if around.topic in CARD_DATA_TOPICS or around.after_card:
        if total >= 8 or (around.topic is Topic.CARD and _is_answer(said, around)):
            return True
        return said.count >= 4 and not _is_year(said) and around.topic in CARD_TOPICS
    most = total + said.most - said.count
    if most >= _SURELY_LONG:
        return True
    begins = around.begins_card if around.before else said.begins_card
    if around.in_fours and said.in_fours:
        return total >= (8 if begins and said.is_trail else 11 if begins else _ONE_LESS)
    return begins and most >= _ONE_LESS


def _is_answer(said: Said, around: Around) -> bool:
    """Whether the segment says little else than the number."""
    return said.is_trail and around.other_words <= _AN_ANSWER


def _is_asked_for(said: Said, around: Around) -> bool:
    """Whether the segment names nothing itself and says little else than numbers."""
    return said.topic is None and around.other_words <= _AN_ANSWER


def _is_year(said: Said) -> bool:
    return len(said.run.atoms) <= 2 and said.count == 4 and int(said.run.digits) in _YEARS


def _is_code(said: Said, around: Around) -> bool:
    if said.count > _LONGEST_CODE or around.before + around.after + said.count > _LONGEST_CODE:
        return False
    if said.topic is Topic.CODE:
        return said.count >= 3 or (said.is_trail and said.distance <= 6)
    if said.topic is not None or is_about_something_else(around.topic):
        return False
    if around.topic is Topic.CODE:
        return said.count >= 3 or _is_answer(said, around)
    return around.after_card and 3 <= said.count <= 4 and _is_answer(said, around)


def _is_expiry(said: Said, around: Around) -> bool:
    topic = said.topic or around.topic
    fits = _is_year_of_month(said) or is_month_and_year(said.run.digits)
    if topic is Topic.EXPIRY:
        named = said.topic is not None or _is_asked_for(said, around)
        is_part = said.count <= 2 and (said.is_trail or _is_asked_for(said, around))
        return named and (fits or is_part)
    is_asked = around.topic is not Topic.CODE and not is_about_something_else(around.topic)
    return said.topic is None and is_asked and around.after_card and fits and said.is_whole


def _is_year_of_month(said: Said) -> bool:
    """`September twenty seven`, `September 2027`."""
    digits = said.run.digits
    year = digits.removeprefix("20") if len(digits) == 4 else digits
    return said.month is not None and len(year) == 2 and 20 <= int(year) <= 59


def is_month_and_year(digits: str) -> bool:
    """Whether `digits` are a month and a year of a card: 0927, 927, 092027, 92027."""
    for month, year in ((digits[:2], digits[2:]), (digits[:1], digits[1:])):
        full = year.removeprefix("20") if len(year) == 4 else year
        if len(full) == 2 and 1 <= int(month or 0) <= 12 and 20 <= int(full) <= 59:
            return True
    return False


def _is_ssn(said: Said, topic: Topic | None) -> bool:
    sizes = [len(atom.digits) for atom in said.run.atoms]
    return sizes == [3, 2, 4] or (topic is Topic.SSN and said.count >= 2) or said.count == 9
