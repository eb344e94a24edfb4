"""The header `Retry-After` (RFC 9110 section 10.2.3) of a server that wants fewer requests.  Pure."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_LONGEST = 3_600.0
"""Most seconds that are respected."""

_MOST_DIGITS = 9


def asked_pause(headers: Mapping[str, str], now: float) -> float:
    """
    Return the seconds that an answer asks to wait, 0 to 3,600; 0 without the header, or if it cannot be read.

    `headers`: names in lower case; `now`: Unix seconds, for the form with a date.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return min(float(text), _LONGEST)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST)
