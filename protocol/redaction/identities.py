"""Finds data that is more than a number: IBANs, ids with letters, dates of birth, e-mail addresses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .policy import DataKind
from .segment.cues import Topic
from .segment.dates import dates
from .segment.emails import emails
from .segment.iban import ibans
from .segment.numbers_said import Said, SegmentNumbers
from .segment.spelled import Part, Places, stretches

_IDS: Mapping[Topic | None, DataKind] = {
    Topic.IBAN: DataKind.IBAN,
    Topic.ACCOUNT: DataKind.BANK_ACCOUNT,
    Topic.NATIONAL_ID: DataKind.NATIONAL_ID,
}
"""What letters and digits are after a cue."""

_SHORTEST = {DataKind.IBAN: 4, DataKind.BANK_ACCOUNT: 5, DataKind.NATIONAL_ID: 5}
"""Fewest letters and digits of an id, or of a part of an IBAN."""

_FEWEST_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Identity:
    """Words of a segment that are data of a kind. `first` and `last`: their indices, both included."""

    first: int
    last: int
    kind: DataKind


def identities(
    said: SegmentNumbers, topic: Topic | None, language: str, kinds: frozenset[DataKind]
) -> list[Identity]:
    """
    The data in a segment. `topic`: what was spoken of before; `kinds`: those that are looked for.

    IBANs are always found: their digits are no card number.
    """
    found: list[tuple[int, int, DataKind]] = []
    if said.numbers:
        found += _ids(said, topic, language, kinds)
    if DataKind.DATE_OF_BIRTH in kinds:
        found += _births(said, topic, language)
    if DataKind.EXPIRY in kinds:
        found += _expiries(said, topic, language)
    if DataKind.EMAIL in kinds:
        found += [(first, last, DataKind.EMAIL) for first, last in emails(said.tokens, language)]
    return [
        Identity(said.tokens[first].word, said.tokens[last].word, kind)
        for first, last, kind in found
    ]


def _ids(
    said: SegmentNumbers, topic: Topic | None, language: str, kinds: frozenset[DataKind]
) -> Iterator[tuple[int, int, DataKind]]:
    atoms = [atom for one in said.numbers for atom in one.run.atoms]
    for first, last in ibans(said.tokens, atoms, language):
        yield first, last, DataKind.IBAN
    if not kinds & {*_IDS.values()}:
        return
    cues = {place for cue in said.cues for place in range(cue.first, cue.last + 1)}
    for whole in stretches(said.tokens, atoms, language):
        parts = [part for part in whole if part[1] not in cues]
        if not parts:
            continue
        first, last = parts[0][1], parts[-1][2]
        inside = [one for one in said.numbers if first <= one.run.first and one.run.last <= last]
        kind = next((kind for one in inside if (kind := _IDS.get(one.topic or topic))), None)
        if kind in kinds and _is_long(parts, inside, kind):
            yield first, last, kind


def _is_long(parts: Sequence[Part], inside: Sequence[Said], kind: DataKind) -> bool:
    count = sum(len(text) for text, _, _ in parts)
    return count >= _SHORTEST[kind] and sum(one.count for one in inside) >= _FEWEST_DIGITS


def _births(
    said: SegmentNumbers, topic: Topic | None, language: str
) -> Iterator[tuple[int, int, DataKind]]:
    """Dates with a cue for a date of birth, or all dates of a segment that answers a question for it."""
    for first, last in _dates(said, topic, language, Topic.BIRTH):
        yield first, last, DataKind.DATE_OF_BIRTH


def _expiries(
    said: SegmentNumbers, topic: Topic | None, language: str
) -> Iterator[tuple[int, int, DataKind]]:
    """Expiry dates of a number and its ordinal or month: `neunter siebenundzwanzig`."""
    alone = {(one.run.first, one.run.last) for one in said.numbers}
    for place in _dates(said, topic, language, Topic.EXPIRY):
        if place not in alone and any(
            place[0] <= first and last <= place[1] for first, last in alone
        ):
            yield *place, DataKind.EXPIRY


def _dates(said: SegmentNumbers, topic: Topic | None, language: str, asked: Topic) -> list[Places]:
    """The dates of a segment with a cue for them, or that answers a question for them."""
    is_named = any(cue.topic is asked for cue in said.cues)
    if not is_named and (said.cues or topic is not asked):
        return []
    numbers = [
        (one.run.first, one.run.last) for one in said.numbers if (one.topic or topic) is asked
    ]
    return dates(said.tokens, numbers, language)
