"""What a case of the test set is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One segment. `secret`: the first word and the end of the words that must be masked; None: nothing."""

    channel: int
    words: tuple[str, ...]
    secret: tuple[int, int] | None = None
    unsure: int | None = None
    """A word of the secret that a recogniser has made of a digit, and that need not be masked."""


@dataclass(frozen=True, slots=True)
class Case:
    """One call. `kind`: `card`, `code` or the kind of a near miss; `style`: how the number is said."""

    kind: str
    style: str
    language: str
    lines: tuple[Line, ...]
