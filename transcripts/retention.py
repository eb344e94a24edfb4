"""How long calls are kept, by age and tag.  Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

DAY_SECONDS = 86_400.0

_LONGEST_TAG = 64


class RetentionError(ValueError):
    """The text is not a list of tags with days."""


@dataclass(frozen=True, slots=True)
class Retention:
    """
    Days after which calls are deleted, counted from their start.

    A call with tags of `by_tag` is kept as long as the longest of them says, whatever `days` says.
    """

    days: float | None = None
    """None: calls without such a tag are kept."""

    by_tag: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_set(self) -> bool:
        """Whether any call expires."""
        return self.days is not None or bool(self.by_tag)


def read_tags(text: str) -> dict[str, float]:
    """Parse `tag=days, tag=days`.  Raises RetentionError."""
    found = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        tag, sign, days = (one.strip() for one in part.rpartition("="))
        if not sign or not 0 < len(tag) <= _LONGEST_TAG:
            raise RetentionError(f"{part[:80]}: write a tag and its days, such as vip=365")
        found[tag] = _days(days)
    return found


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days < 100_000:
        raise RetentionError(f"{text[:20]}: not a number of days")
    return days
