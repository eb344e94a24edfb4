"""Which numbers of calls to try in order to find the largest that meets an objective.  Pure."""

_GROWTH = 1.5
_PRECISION = 0.06
"""The search ends when the next number would differ by less than this share."""


class CapacitySearch:
    """
    Grow the number of calls until the objective is missed, then halve the interval.

    Ask `calls` what to try, play it, and tell the result to `take`, until `is_over`.
    """

    def __init__(self, first: int, most: int) -> None:
        """`first`: number of calls to begin with; `most`: never try more."""
        self.calls = min(first, most)
        self.held = 0
        """The largest number of calls that met the objective; 0 if none did."""

        self._most = most
        self._missed: int | None = None
        self.is_over = False

    def take(self, *, met: bool) -> None:
        """Take the result of playing `calls`, and choose the next number."""
        if met:
            self.held = max(self.held, self.calls)
        else:
            self._missed = self.calls
        following = self._next()
        self.is_over = following in (self.calls, self.held, self._missed) or self._is_precise
        if not self.is_over:
            self.calls = following

    def _next(self) -> int:
        if self._missed is None:
            return min(self._most, int(self.calls * _GROWTH) + 1)
        return (self.held + self._missed) // 2

    @property
    def _is_precise(self) -> bool:
        return self._missed is not None and self._missed - self.held <= max(
            1, _PRECISION * self._missed
        )
