"""Rate limiting with a token bucket."""


class TokenBucket:
    """
    Token bucket: refills at `rate` tokens/s up to `burst`.  `take` returns the seconds to wait.

    Pure: `now` is any clock in seconds; a clock that goes backwards adds no tokens.
    """

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._seen = now

    def take(self, amount: float, now: float) -> float:
        """Take `amount` tokens and return 0; if there are too few, take none and return the seconds to wait."""
        self._level = min(self._burst, self._level + self._rate * max(0.0, now - self._seen))
        self._seen = max(now, self._seen)
        if amount <= self._level:
            self._level -= amount
            return 0.0
        return (amount - self._level) / self._rate
