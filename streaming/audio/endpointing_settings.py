"""The settings of endpointing, in milliseconds and in ticks of 20 ms.  Pure."""

from dataclasses import dataclass, replace
from typing import Self

LONGEST_MS = 15_000
"""Upper limit of a segment in ms: beyond it small engines repeat words, and padding makes batches inefficient."""

_LEVELS = LONGEST_MS // 20 + 50
"""Ticks whose levels are kept: the longest segment and one second."""


DRAFTED_AFTERROLL_MS = 200
"""Longest after-roll of the line where drafts are used; 160 ms make no more errors (docs/benchmarks.md)."""


@dataclass(frozen=True, slots=True)
class Endpointing:
    """The settings of endpointing, in milliseconds; rounded up to whole ticks."""

    preroll_ms: int = 300
    """Audio included before the first voiced tick: words begin softly, and detectors react late."""

    hangover_ms: int = 500
    """Silence that ends a segment."""

    afterroll_ms: int = 400
    """Audio included after the last voiced tick, at most the hang-over: with less, soft word ends are lost."""

    draft_ms: int = 0
    """
    Silence after which the text of a segment is prepared, before the hang-over ends; 0: no drafts.

    The after-roll is no longer than this, nor than `DRAFTED_AFTERROLL_MS`; the rest of it is padding of digital
    silence.
    """

    doubtful_hangover_ms: int = 0
    """
    Silence that ends a segment whose draft is doubtful (`Segmenter.wait`); at most the hang-over: as any other.
    """

    start_voiced_ms: int = 60
    start_window_ms: int = 120
    """`start_voiced_ms` of voice within `start_window_ms` is speech; less is a click."""

    minimum_ms: int = 400
    """Minimum length of a segment, unless the call ends: engines recognise very short audio badly."""

    maximum_ms: int = 12_000
    """Maximum length of a segment, pre-roll included."""

    cut_window_ms: int = 3_000
    """If speech exceeds the maximum, the quietest point of the last `cut_window_ms` becomes the boundary."""

    def __post_init__(self) -> None:
        """Raise ValueError with the setting and its allowed values if a setting is out of range."""
        if not 100 <= self.hangover_ms <= 5_000:
            raise ValueError(
                f"hangover_ms of {self.hangover_ms} is out of range: choose 100 to 5000"
            )
        if not 0 <= self.draft_ms <= 1_000:
            raise ValueError(f"draft_ms of {self.draft_ms} is out of range: choose 0 to 1000")
        if not 0 <= self.doubtful_hangover_ms <= 5_000:
            raise ValueError(
                f"doubtful_hangover_ms of {self.doubtful_hangover_ms} is out of range: choose 0 to 5000"
            )
        if not 0 < self.start_voiced_ms <= self.start_window_ms <= 1_000:
            raise ValueError(
                "start_voiced_ms must lie within start_window_ms, and that within 1000"
            )
        if not 0 <= self.preroll_ms <= 1_000 or not 0 <= self.afterroll_ms <= 1_000:
            raise ValueError("preroll_ms and afterroll_ms must lie between 0 and 1000")
        if not 2_000 <= self.maximum_ms <= LONGEST_MS:
            raise ValueError(
                f"maximum_ms of {self.maximum_ms} is out of range: choose 2000 to {LONGEST_MS}"
            )
        if not 200 <= self.cut_window_ms <= self.maximum_ms - self.minimum_ms:
            raise ValueError("cut_window_ms must be at least 200 and leave room for minimum_ms")
        if not 0 <= self.minimum_ms <= 1_000:
            raise ValueError("minimum_ms must lie between 0 and 1000")

    @property
    def has_drafts(self) -> bool:
        """Whether a pause may be told before the hang-over ends."""
        return 0 < self.draft_ms < self.hangover_ms

    @property
    def kept_ms(self) -> int:
        """Audio after the last voiced tick that a segment gets."""
        if self.has_drafts:
            return min(self.afterroll_ms, self.draft_ms, DRAFTED_AFTERROLL_MS)
        return min(self.afterroll_ms, self.hangover_ms)

    def with_hangover(self, hangover_ms: int | None) -> Self:
        """Return a copy with the hang-over of one call, for all its segments; None changes nothing."""
        if hangover_ms is None:
            return self
        return replace(self, hangover_ms=hangover_ms, doubtful_hangover_ms=0)


RECORDED = Endpointing(hangover_ms=2_000, maximum_ms=14_000, cut_window_ms=8_000)
"""
Settings for recordings, where latency does not matter: short pauses do not end a segment, so that a segment fills
the engine's length and short pieces are not decoded alone.  It is cut at the quietest point of its last 8 s.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings of endpointing in ticks, as `Segmenter` compares them."""

    preroll: int
    hangover: int
    doubtful_hangover: int
    has_drafts: bool
    draft_after: int
    afterroll: int
    padding: int
    needed: int
    """Voiced ticks within `window` ticks that are speech."""

    window: int
    minimum: int
    maximum: int
    cut_window: int
    levels: int
    """Ticks whose levels are kept."""

    @classmethod
    def of(cls, settings: Endpointing) -> Self:
        """Convert the settings, rounded up to whole ticks."""
        hangover, cut_window = _ticks(settings.hangover_ms), _ticks(settings.cut_window_ms)
        afterroll = min(_ticks(settings.kept_ms), hangover)
        return cls(
            preroll=_ticks(settings.preroll_ms),
            hangover=hangover,
            doubtful_hangover=_ticks(settings.doubtful_hangover_ms),
            has_drafts=settings.has_drafts,
            draft_after=_ticks(settings.draft_ms),
            afterroll=afterroll,
            padding=min(_ticks(settings.afterroll_ms), hangover) - afterroll,
            needed=_ticks(settings.start_voiced_ms),
            window=_ticks(settings.start_window_ms),
            minimum=_ticks(settings.minimum_ms),
            maximum=settings.maximum_ms // 20,
            cut_window=cut_window,
            levels=max(cut_window, _LEVELS),
        )


def _ticks(milliseconds: int) -> int:
    """Convert milliseconds to ticks, rounded up."""
    return -(-milliseconds // 20)
