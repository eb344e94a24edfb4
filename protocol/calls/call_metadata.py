"""What of a bridge's data about a call may be shown beside its transcript.  Pure."""

import re
from collections.abc import Iterable

from ..redaction.segment.card_numbers import is_card_number

_NOISE = re.compile(r"[^a-z0-9]")
_SECRET = ("token", "secret", "password", "apikey", "authorization", "signature", "credential")
"""A name that contains one of these is left out: it may be a credential."""

_KNOWN = frozenset(
    {
        "callid", "language", "keywords", "keyterm", "keyterms", "roles", "role", "channels", "encoding",
        "samplerate", "join", "translateto", "partials", "endpointingms", "format", "mix", "rate", "tracks", "key",
        "auth",
    }
)  # fmt: skip
"""Parameters that the gateway has understood: the call itself shows them.  `key` and `auth` may be credentials."""

_CARD = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])")


def shown_metadata(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the pairs without credentials, known parameters and card numbers."""
    shown = ((name, value) for name, value in pairs if _is_shown(name))
    return tuple((without_cards(name), without_cards(value)) for name, value in shown)


def _is_shown(name: str) -> bool:
    plain = _NOISE.sub("", name.casefold())
    return plain not in _KNOWN and not any(word in plain for word in _SECRET)


def without_cards(value: str) -> str:
    """Return a text with a tag in place of each card number that is written in digits."""

    def replaced(found: re.Match[str]) -> str:
        return "[CARD_NUMBER]" if is_card_number(re.sub(r"[ -]", "", found[0])) else found[0]

    return _CARD.sub(replaced, value)
