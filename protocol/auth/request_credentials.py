"""
The credentials of a request, read from its target and headers; `Authenticator` checks them.

A request may have one credential.  Two at a time are refused: a proxy and the gateway could use different ones.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from .http_routes import path_of

_SCHEMES = ("bearer", "token")
"""Schemes of `Authorization`; Deepgram's clients use `token`."""

_OFFERS = ("token", "bearer")
"""A browser cannot set headers: Deepgram's client offers the subprotocol `token` (or `bearer`), then the key."""

_OPENAI_OFFER = "openai-insecure-api-key."
"""The prefix of OpenAI's client: https://platform.openai.com/docs/guides/realtime-websocket"""

_ONCE = ("authorization", "x-api-key", "x-twilio-signature", "signature", "signature-input", "host")
"""Headers that may occur only once: a proxy and the gateway could use different ones."""


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """The parts of a request that can contain credentials."""

    target: str
    """Path and query string, as received."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names in lower case."""

    certificate: str | None = None
    """Common name of a client certificate that TLS has verified."""

    @property
    def path(self) -> str:
        """The path without query string and trailing slash, parsed like the routes."""
        return path_of(self.target)

    def header(self, name: str) -> str | None:
        """Return the first header with this name in lower case; None if there is none."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def is_ambiguous(self) -> bool:
        """Whether a header that may occur only once is repeated, or there are two credentials."""
        names = [name for name, _ in self.headers]
        signed = (
            self.header("x-twilio-signature") is not None or self.header("signature") is not None
        )
        shown = len(set(self.secrets())) + (self.token is not None)
        both = signed and shown > (self.header("x-api-key") is not None)
        twice = {name for name in names if names.count(name) > 1}
        doubled = any(name in _ONCE or name.startswith("audiohook-") for name in twice)
        return doubled or shown > 1 or both

    def secrets(self) -> list[str]:
        """Return the keys or tokens in headers: `Authorization`, `X-API-Key`, or an offered subprotocol."""
        values = (self.header("authorization"), self.header("x-api-key"))
        shown = [_authorised(values[0]) if values[0] is not None else None, values[1]]
        return [one for one in (*shown, *_offered(self.headers)) if one is not None]

    @property
    def token(self) -> str | None:
        """The token in the URL.  Only short-lived tokens are accepted there, because URLs are logged."""
        query = parse_qsl(self.target.partition("?")[2], keep_blank_values=True)
        tokens = [value for name, value in query if name == "token"]
        return ",".join(tokens) if tokens else None


def _authorised(value: str) -> str:
    """Return the key in an `Authorization` header; AssemblyAI's clients send it without a scheme."""
    scheme, _, rest = value.strip().partition(" ")
    if not rest:
        return scheme
    if scheme.lower() in _SCHEMES:
        return rest.strip()
    return _password(rest.strip()) if scheme.lower() == "basic" else ""


def _password(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _offered(headers: Iterable[tuple[str, str]]) -> list[str]:
    offers = [
        offer.strip()
        for name, value in headers
        if name == "sec-websocket-protocol"
        for offer in value.split(",")
    ]
    found = [
        offer.removeprefix(_OPENAI_OFFER) for offer in offers if offer.startswith(_OPENAI_OFFER)
    ]
    if len(offers) > 1 and offers[0].lower() in _OFFERS:
        found.append(offers[1])
    return found
