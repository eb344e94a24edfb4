"""
Permits in sealed texts: sessions of browsers, and tokens of embedded pages.

A sealed text is encrypted and signed (Fernet, https://github.com/fernet/spec) with a secret of the site, so its
holder can neither read nor change it.  Pure but for the random numbers of the encryption.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from enum import StrEnum

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .credentials import Permit, Scope

_LONGEST = 4_096
"""Most characters of a sealed text that are looked at."""


class Use(StrEnum):
    """What a sealed permit is for.  One for another use is not valid."""

    SESSION = "session"
    EMBED = "embed"


class _Content(msgspec.Struct, frozen=True):
    name: str
    tenant: str
    scopes: tuple[Scope, ...]
    expires: float
    call_id: str | None = None


def seal(secrets: Sequence[bytes], use: Use, permit: Permit, expires: float) -> str:
    """
    Return `permit` as a sealed text.

    `secrets`: at least one, newest first, each with 32 random bytes; the newest seals.  `expires`: Unix seconds.
    """
    scopes = tuple(sorted(permit.scopes))
    content = _Content(permit.name, permit.tenant, scopes, expires, permit.call_id)
    return _box(secrets, use).encrypt(msgspec.json.encode(content)).decode()


def unseal(secrets: Sequence[bytes], use: Use, text: str, now: float) -> Permit | None:
    """Return the permit in a sealed text; None if it has expired, is for another use, or was not sealed here."""
    if len(text) > _LONGEST:
        return None
    try:
        content = msgspec.json.decode(_box(secrets, use).decrypt(text.encode()), type=_Content)
    except (InvalidToken, msgspec.MsgspecError, binascii.Error, UnicodeEncodeError):
        return None
    if now >= content.expires:
        return None
    return Permit(content.name, content.tenant, frozenset(content.scopes), content.call_id)


def _box(secrets: Sequence[bytes], use: Use) -> MultiFernet:
    """Each use has keys of its own."""
    keys = (hashlib.sha256(f"trunkline {use}\0".encode() + one).digest() for one in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
