"""Makes the cases: calls of one or more segments, and which of their words must be masked."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from random import Random

from protocol.redaction.segment.card_numbers import check_digit

from . import phrases
from .case import Case, Line
from .errors import misheard
from .spell import LANGUAGES, spell

Groups = Sequence[str]

_BEGINNINGS = (
    ("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("36", 14),
    ("6011", 16), ("65", 16),
    ("3528", 16), ("62", 16), ("62", 19), ("5018", 16), ("6304", 18), ("4", 13), ("4", 19), ("2200", 16),
)  # fmt: skip


def card_number(random: Random) -> str:
    """A card number with a valid check digit."""
    begin, length = random.choice(_BEGINNINGS)
    body = begin + "".join(str(random.randrange(10)) for _ in range(length - 1 - len(begin)))
    return body + check_digit(body)


def cards(language: str, count: int, random: Random) -> Iterator[Case]:
    """`count` calls in which a card number is said, in all styles in turn."""
    for place in range(count):
        style = list(_STYLES)[place % len(_STYLES)]
        sentence = random.choice(phrases.CARD[language])
        lines = _STYLES[style](card_number(random), sentence, language, random)
        yield Case("card", style, language, tuple(lines))


def codes(language: str, count: int, random: Random) -> Iterator[Case]:
    """`count` calls in which a security code is said."""
    for place in range(count):
        digits = _digits(random, random.choice((3, 3, 3, 4)))
        said = digits if place % 3 == 0 else _one_by_one([digits], language)[0]
        if place % 4 == 3:
            asked = Line(1, tuple(phrases.ASK_CODE[language].split()))
            lines: tuple[Line, ...] = (asked, _line("{}", said))
        else:
            lines = (_line(random.choice(phrases.CODE[language]), said),)
        yield Case("code", "asked" if len(lines) == 2 else "said", language, lines)


def near_misses(language: str, count: int, random: Random) -> Iterator[Case]:
    """`count` calls with a number that must stay readable."""
    kinds = list(phrases.NEAR_MISSES)
    for place in range(count):
        kind = kinds[place % len(kinds)]
        number = _number(kind, random)
        style = random.choice(("written", "digits", "pairs"))
        if kind in ("price", "quantity", "year", "bought"):
            said = spell(int(number), language) if style != "written" else number
        elif style == "written":
            said = " ".join(_cut(number, 4)) if len(number) > 6 else number
        else:
            cut = _one_by_one if style == "digits" else _as_numbers
            said = " ".join(cut(_cut(number, 2 if style == "pairs" else 4), language))
        if kind == "turns":
            yield Case(kind, style, language, _asked_in_turns(number, language, random))
            continue
        text = phrases.NEAR_MISSES[kind][language].format(said)
        yield Case(kind, style, language, (Line(0, tuple(text.split())),))


def _asked_in_turns(number: str, language: str, random: Random) -> tuple[Line, ...]:
    """The agent asks for an order or telephone number, and says `okay` after each group."""
    lines = [Line(1, tuple(phrases.ASK_OTHER[language].split()))]
    for said in random.choice((_one_by_one, _written, _as_numbers))(_cut(number, 4), language):
        lines += [Line(0, tuple(said.split())), Line(1, tuple(phrases.OKAY[language].split()))]
    return tuple(lines)


def all_cases(seed: int = 14, each: int = 500, misses: int = 2_002) -> Iterator[Case]:
    """The whole set. `each`: card numbers for each language; half as many misheard ones."""
    for language in LANGUAGES:
        random = Random(f"{seed}:{language}")
        yield from cards(language, each, random)
        yield from codes(language, each // 5, random)
        heard = cards(language, each // 2, random)
        yield from (misheard(case, place, random) for place, case in enumerate(heard))
        yield from near_misses(language, misses // len(LANGUAGES), random)


def _number(kind: str, random: Random) -> str:
    match kind:
        case "order" | "turns":
            return _digits(random, random.randint(5, 12))
        case "abroad":
            return random.choice(("44", "49", "39", "34", "55")) + _digits(random, 10)
        case "tracking":
            return _digits(random, random.randint(10, 14))
        case "bare":
            return _digits(random, random.randint(4, 10))
        case "telephone":
            return _digits(random, random.randint(7, 11))
        case "year" | "bought":
            return str(random.randint(1_975, 2_025))
        case "price" | "quantity":
            return str(random.randint(2, 9_999))
        case "postcode":
            return _digits(random, 5)
        case "last_four":
            return _digits(random, 4)
        case _:
            return _digits(random, random.randint(2, 4))


def _digits(random: Random, count: int) -> str:
    return str(random.randint(1, 9)) + "".join(str(random.randrange(10)) for _ in range(count - 1))


def _cut(digits: str, size: int) -> list[str]:
    return [digits[start : start + size] for start in range(0, len(digits), size)]


def _one_by_one(groups: Groups, language: str) -> list[str]:
    return [" ".join(spell(int(digit), language) for digit in group) for group in groups]


def _as_numbers(groups: Groups, language: str) -> list[str]:
    """Each group as one number; leading zeros one by one."""
    said = []
    for group in groups:
        rest = group.lstrip("0")
        zeros = [spell(0, language)] * (len(group) - len(rest))
        said.append(" ".join([*zeros, *([spell(int(rest), language)] if rest else [])]))
    return said


def _line(sentence: str, said: str, channel: int = 0) -> Line:
    before, _, after = sentence.partition("{}")
    start = len(before.split())
    words = (*before.split(), *said.split(), *after.split())
    return Line(channel, words, (start, start + len(said.split())))


def _single(say: Callable[[Groups, str], Sequence[str]], size: int, joiner: str = " ") -> "_Style":
    def style(number: str, sentence: str, language: str, _random: Random) -> list[Line]:
        return [_line(sentence, joiner.join(say(_cut(number, size), language)))]

    return style


def _written(groups: Groups, _language: str) -> Groups:
    return groups


def _doubled(groups: Groups, language: str) -> list[str]:
    """Two equal digits as `double four`."""
    said, digits = list[str](), "".join(groups)
    place = 0
    while place < len(digits):
        digit = spell(int(digits[place]), language)
        twice = digits[place : place + 2] == digits[place] * 2
        said.append(f"{phrases.DOUBLE[language]} {digit}" if twice else digit)
        place += 2 if twice else 1
    return said


def _fillers(number: str, sentence: str, language: str, random: Random) -> list[Line]:
    groups = _one_by_one(_cut(number, 4), language)
    gap = f" {phrases.FILLER[language]} "
    return [_line(sentence, gap.join(groups) if random.random() < 0.5 else ", ".join(groups))]


def _corrected(number: str, sentence: str, language: str, random: Random) -> list[Line]:
    """A wrong digit, and the right one after `no`."""
    place = random.randrange(4, len(number))
    wrong = str((int(number[place]) + random.randint(1, 8)) % 10)
    said = _one_by_one([number[:place] + wrong], language)[0]
    rest = _one_by_one([number[place:]], language)[0]
    return [_line(sentence, f"{said} {phrases.NO[language]} {rest}")]


def _restarted(number: str, sentence: str, language: str, random: Random) -> list[Line]:
    """The first digits, and the whole number after `no`."""
    begun = _one_by_one([number[: random.randint(3, 7)]], language)[0]
    whole = _one_by_one([number], language)[0]
    return [_line(sentence, f"{begun} {phrases.NO[language]} {whole}")]


def _pieces(number: str, random: Random, count: int) -> list[str]:
    cuts = sorted(random.sample(range(3, len(number) - 2), count - 1))
    return [number[start:end] for start, end in pairwise([0, *cuts, len(number)])]


def _over_segments(number: str, sentence: str, language: str, random: Random) -> list[Line]:
    said = _one_by_one(_pieces(number, random, 3), language)
    return [
        _line(sentence.partition("{}")[0] + "{}", said[0]),
        *(_line("{}", one) for one in said[1:]),
    ]


def _over_turns(number: str, _sentence: str, language: str, random: Random) -> list[Line]:
    """The agent asks, and says `okay` after each group."""
    groups = _cut(number, 4)
    say = random.choice((_one_by_one, _written, _as_numbers))
    lines = [Line(1, tuple(phrases.ASK[language].split()))]
    for said in say(groups, language):
        lines += [_line("{}", said), Line(1, tuple(phrases.OKAY[language].split()))]
    return lines


def _repeated(number: str, sentence: str, language: str, _random: Random) -> list[Line]:
    """The agent repeats the number in groups."""
    groups = _one_by_one(_cut(number, 4), language)
    return [
        _line(sentence, " ".join(groups)),
        _line("{}", " ".join(groups[:2]), channel=1),
        _line("{}", " ".join(groups[2:]), channel=1),
    ]


_Style = Callable[[str, str, str, Random], list[Line]]

_STYLES: dict[str, _Style] = {
    "digits": _single(_one_by_one, 19),
    "fours": _single(_one_by_one, 4, ", "),
    "pairs": _single(_as_numbers, 2),
    "triples": _single(_as_numbers, 3),
    "thousands": _single(_as_numbers, 4),
    "doubled": _single(_doubled, 19),
    "written": _single(_written, 19),
    "written_fours": _single(_written, 4),
    "fillers": _fillers,
    "corrected": _corrected,
    "restarted": _restarted,
    "over_segments": _over_segments,
    "over_turns": _over_turns,
    "repeated": _repeated,
}
