"""Writes times of day: `three thirty pm` is 3:30 pm, `fuenfzehn Uhr dreissig` is 15:30 Uhr."""

from collections.abc import Sequence

from ..items import Item, Number, SegmentWords
from ..vocabulary import BEFORE_TIME, CENTS, CURRENCIES, DURATIONS, HOURS, PERCENT, UNITS
from .dates import is_month

_LONGEST = 3
"""Numbers that a time is said with: `eight oh five`."""

_HALVES = {"am": "am", "pm": "pm"}


def clock_time(said: SegmentWords, place: int) -> Item | None:
    """A time whose hour begins with the word at `place`."""
    run = said.run(place, _LONGEST + 1)
    if not run or run[0].is_fixed or not 0 <= run[0].value <= 24 or len(run[0].digits) > 2:
        return None
    if said.language == "en":
        return _english(said, run) or _after_cue(said, run)
    return _with_word(said, run[0]) or _after_cue(said, run)


def _english(said: SegmentWords, run: Sequence[Number]) -> Item | None:
    hour, last = run[0].value, run[-1].last
    minutes = "".join(one.digits for one in run[1:])
    behind = said.next(last)
    if said.word(behind) == "o'clock" and not minutes:
        return said.item(f"{hour} o'clock", run[0].first, behind)
    end = behind
    half = _HALVES.get(said.word(behind), "")
    if not half and said.word(behind) in ("a", "p") and said.word(behind + 1) == "m":
        half, end = f"{said.word(behind)}m", behind + 1
    if behind < 0 or not half or not 1 <= hour <= 12 or not _is_minute(minutes):
        return None
    text = f"{hour}:{minutes} {half}" if minutes else f"{hour} {half}"
    is_dotted = said.words[end].count(".") > 1
    return Item(text, run[0].first, end) if is_dotted else said.item(text, run[0].first, end)


def _is_minute(digits: str) -> bool:
    return not digits or (len(digits) == 2 and int(digits) < 60)


def _with_word(said: SegmentWords, hour: Number) -> Item | None:
    """Hour, the word for hours, and perhaps minutes."""
    word = said.next(hour.last)
    if word < 0 or said.word(word) not in HOURS.get(said.language, ()):
        return None
    place = said.next(word)
    joined = place > 0 and said.word(place) in ("e", "y")
    run = said.run(said.next(place) if joined else place) if place > 0 else []
    if len(run) == 1 and 0 < run[0].value < 60 and not _is_other(said, run[0].last):
        return said.item(_written(said.language, hour.value, run[0].value), hour.first, run[0].last)
    return said.item(f"{hour.value} {_bare(said, word)}", hour.first, word)


def _bare(said: SegmentWords, place: int) -> str:
    sign = said.sign(place)
    return said.words[place].removesuffix(sign) if sign else said.words[place]


def _written(language: str, hour: int, minutes: int) -> str:
    match language:
        case "de":
            return f"{hour}:{minutes:02} Uhr"
        case "nl":
            return f"{hour}.{minutes:02} uur"
        case "fr":
            return f"{hour} h {minutes:02}"
        case "pt":
            return f"{hour}h{minutes:02}"
        case _:
            return f"{hour}:{minutes:02}"


def _after_cue(said: SegmentWords, run: Sequence[Number]) -> Item | None:
    """`at eight thirty`, `a las ocho y diez`: a time without a word for it."""
    cues, joiners = BEFORE_TIME.get(said.language, ((), frozenset[str]()))
    hour = run[0]
    if not any(said.follows(hour.first - len(cue), cue) for cue in cues) or hour.value > 24:
        return None
    minutes, last = "".join(one.digits for one in run[1:]), run[-1].last
    joiner = said.next(hour.last)
    if len(run) == 1 and joiner > 0 and said.word(joiner) in joiners:
        more = said.run(said.next(joiner))
        if len(more) == 1 and 0 < more[0].value < 60:
            minutes, last = f"{more[0].value:02}", more[0].last
    if _is_other(said, last) or len(run) > _LONGEST:
        return None
    if minutes:
        is_time = (
            len(minutes) == 2
            and int(minutes) < 60
            and (said.language != "en" or 0 < hour.value <= 12)
        )
        return (
            said.item(_written(said.language, hour.value, int(minutes)), hour.first, last)
            if is_time
            else None
        )
    is_plain = said.language in ("es", "it") and len(run) == 1 and hour.value
    return said.item(str(hour.value), hour.first, last) if is_plain else None


def _is_other(said: SegmentWords, last: int) -> bool:
    """Whether the word behind says that the number is no time."""
    behind = said.next(last)
    if behind < 0:
        return False
    word = said.word(behind)
    phrases = (*PERCENT.get(said.language, ()), *(one for one, _ in UNITS.get(said.language, ())))
    is_unit = any(said.follows(behind, phrase) for phrase in phrases)
    return (
        is_unit
        or is_month(said, behind)
        or word in CURRENCIES
        or word in CENTS
        or word in DURATIONS
    )
