"""What a client was told about one channel of a call, and how that compares with its script."""

from dataclasses import dataclass, field

_TOLERANCE_SECONDS = 0.4
"""Systems place the end of a word differently."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a speaker: its times in the recording in seconds, and its words."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """One segment as it was told: when, its times in the recording in seconds, its text."""

    at: float
    start: float
    end: float
    text: str
    is_final: bool


@dataclass(slots=True)
class Heard:
    """Everything that a client was told about one channel, in order; times are seconds since its first sample."""

    told: list[Told] = field(default_factory=list)

    def add(self, told: Told) -> None:
        """Take a message."""
        self.told.append(told)

    @property
    def text(self) -> str:
        """The last text of each segment, in order; a segment that never became final counts if it is the last."""
        latest: dict[float, Told] = {}
        for one in self.told:
            known = latest.get(one.start)
            if known is None or one.is_final or not known.is_final:
                latest[one.start] = one
        final_end = max((one.end for one in latest.values() if one.is_final), default=0.0)
        kept = [one for one in latest.values() if one.is_final]
        rest = [
            one for one in latest.values() if not one.is_final and one.start >= final_end - 0.01
        ]
        kept += rest[-1:]
        return " ".join(one.text.strip() for one in sorted(kept, key=lambda one: one.start))

    def first_text(self, turn: Turn) -> float | None:
        """Return the seconds from the start of a turn until any text of it was told; None: never."""
        return next(
            (
                max(0.0, one.at - turn.start)
                for one in self.told
                if one.text.strip()
                and one.start < turn.end
                and one.end > turn.start + _TOLERANCE_SECONDS
            ),
            None,
        )

    def final(self, turn: Turn) -> float | None:
        """Return the seconds from the end of a turn until a final that covers its end was told; None: never."""
        return next(
            (
                max(0.0, one.at - turn.end)
                for one in self.told
                if one.is_final
                and one.start < turn.end
                and one.end >= turn.end - _TOLERANCE_SECONDS
            ),
            None,
        )
