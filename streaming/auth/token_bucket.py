"""How much of something may come, over time."""


class TokenBucket:
    """
    A bucket that fills at `rate` a second up to `burst`; who takes more than is in it is told how long to wait.

    Pure: `now` is any clock in seconds; one that goes backwards fills nothing.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._seen = now

    def take(self, amount: float, now: float) -> float:
        """0 when it was taken, else the seconds after which it could be: then nothing was taken."""
        self._level = min(self._burst, self._level + self._rate * max(0.0, now - self._seen))
        self._seen = max(now, self._seen)
        if amount <= self._level:
            self._level -= amount
            return 0.0
        return (amount - self._level) / self._rate
