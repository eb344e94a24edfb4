"""
The credentials of web pages: a session in a cookie, and tokens of embedded pages.

A page must not keep a key, which is valid for long and for much.  The reader shows it once; the session that is
issued for it is in a cookie that scripts cannot read, is valid for half a day, and ends with the key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie

from protocol.auth.credentials import Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.sealed_permits import Use, seal, unseal

SESSION_COOKIE = "trunkline_session"
SESSION_SECONDS = 12 * 3_600
"""A shift.  Each opened page extends it."""


@dataclass(frozen=True, slots=True)
class PageCredentials:
    """Issues and reads the credentials of pages.  `has_keys` is False if the API needs no credentials."""

    secrets: Callable[[], Sequence[bytes]]
    has_keys: bool

    def permit(self, credentials: RequestCredentials, now: float) -> Permit | None:
        """Return the permit of a page's credential; None if there is none, or it is not valid."""
        shown = [*credentials.secrets(), *filter(None, [credentials.token])]
        if shown:
            return unseal(self.secrets(), Use.EMBED, shown[0], now)
        cookie = _cookie(credentials.header("cookie") or "")
        return unseal(self.secrets(), Use.SESSION, cookie, now) if cookie else None

    def session(self, permit: Permit, now: float) -> str:
        """Return the value of the session cookie."""
        return seal(self.secrets(), Use.SESSION, permit, now + SESSION_SECONDS)

    def embed_token(self, permit: Permit, call_id: str, expires: float) -> str:
        """Return a token with which a page may read one call.  `expires`: Unix seconds."""
        only = replace(permit, scopes=frozenset({Scope.READ}), call_id=call_id)
        return seal(self.secrets(), Use.EMBED, only, expires)


def _cookie(header: str) -> str | None:
    try:
        found = SimpleCookie(header).get(SESSION_COOKIE)
    except CookieError:
        return None
    return found.value if found else None
