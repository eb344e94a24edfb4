"""
Who may do what: keys, and the signatures of others that count as keys.

Pure: bytes of a file in, permits out.  The gateway reads the file, `trunkline keys` writes it.  Of a key only its
SHA-256 is kept; 256 random bits need no slow hash
(slow ones are for words that people choose).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from ..tenants import filed, tenant

VERSION = 1
ANY_TENANT = "*"
"""Of a signer of tokens: the tenant stands in each token."""

_KEY = re.compile(r"tk_([a-z0-9]{8,16})_([A-Za-z0-9_-]{43})", re.ASCII)
_NOBODY = hashlib.sha256(b"nobody").hexdigest()
"""Compared with what an unknown key says, so that it takes as long as a known one."""

_LONGEST = 128
"""Longer texts are no keys, and are not looked at."""

_SHORTEST_SECRET = 16
_SHORTEST_HMAC = 32
"""RFC 7518, 3.2: a key of HS256 has at least 256 bits."""


class KeyringError(ValueError):
    """The file of keys cannot be used; the text says why and never quotes a secret."""


class Scope(StrEnum):
    """What somebody may do."""

    INGEST = "ingest"
    """Be a bridge: bring calls."""

    READ = "read"
    """Listen to the events of calls, and read what is stored."""

    ADMIN = "admin"
    """All that, and delete."""


@dataclass(frozen=True, slots=True)
class Permit:
    """What somebody who has been let in may do."""

    name: str
    """Where it comes from, such as `key:4f6a9b2c`; may be logged."""

    tenant: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    call_id: str | None = None
    """The one call it is good for; None when that does not matter."""

    def allows(self, scope: Scope) -> bool:
        """Whether this may be done."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def covers(self, call_id: str) -> bool:
        """Whether it is good for this call."""
        return self.call_id is None or self.call_id == call_id

    def filed(self, call_id: str) -> str:
        """The id of a call of this tenant, as Redis and the store know it."""
        return filed(self.tenant, call_id)


EVERYTHING = Permit("open")
"""Of a gateway without keys, which only this machine can reach."""


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key, without what would open anything.  Times are seconds since 1970."""

    id: str
    digest: str
    tenant: str
    scopes: tuple[Scope, ...]
    created: float
    expires: float | None = None
    revoked: float | None = None
    note: str = ""

    def is_good(self, now: float) -> bool:
        """Neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Kind(StrEnum):
    """Who signs."""

    JWT = "jwt"
    TWILIO = "twilio"
    AUDIOHOOK = "audiohook"
    CERTIFICATE = "certificate"


class Signer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody whose signature lets in."""

    kind: Kind
    name: str
    """Issuer of tokens; API key of AudioHook; common name of a certificate; any name for Twilio."""

    tenant: str
    scopes: tuple[Scope, ...]
    secret: str = ""
    """Auth token of Twilio; client secret of AudioHook, base64; secret or public key (PEM) of tokens."""

    algorithm: str = ""
    """Of tokens: the only one that is accepted from this issuer."""

    audience: str = ""
    """Of tokens: what must stand in `aud`."""

    def __repr__(self) -> str:
        return f"Signer({self.kind}, {self.name!r})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keys: tuple[Key, ...] = ()
    signers: tuple[Signer, ...] = ()


_ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")


class Keyring:
    """All keys and signers of an installation.  A change is a new keyring."""

    def __init__(self, keys: Iterable[Key] = (), signers: Iterable[Signer] = ()) -> None:
        self.keys = tuple(keys)
        self.signers = tuple(signers)
        self._by_id = {key.id: key for key in self.keys}

    def unlock(self, text: str, now: float) -> Permit | None:
        """What the key in `text` opens; takes the same time for every wrong one."""
        said = _KEY.fullmatch(text[:_LONGEST])
        key = self._by_id.get(said[1]) if said else None
        expected = key.digest if key else _NOBODY
        matches = hmac.compare_digest(digest(text[:_LONGEST]), expected)
        if key is None or not matches or not key.is_good(now):
            return None
        return Permit(f"key:{key.id}", key.tenant, frozenset(key.scopes))

    def signed_by(self, kind: Kind, name: str | None = None) -> list[Signer]:
        """The signers of a kind; of this name."""
        return [one for one in self.signers if one.kind == kind and name in (None, one.name)]

    def honours(self, permit: Permit, now: float) -> bool:
        """Whether a permit that was given earlier still stands."""
        kind, _, name = permit.name.partition(":")
        if kind == "key":
            key = self._by_id.get(name)
            return key is not None and key.is_good(now)
        return any(f"{one.kind}:{one.name}" == permit.name for one in self.signers)

    def encoded(self) -> bytes:
        """As a file; people may read it."""
        body = msgspec.json.encode(_File(VERSION, self.keys, self.signers))
        return msgspec.json.format(body, indent=2) + b"\n"

    @classmethod
    def decoded(cls, content: bytes) -> "Keyring":
        """The reverse; KeyringError when something in it is wrong."""
        try:
            file = msgspec.json.decode(content, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise KeyringError(f"not a file of keys: {exc}") from exc
        if file.version != VERSION:
            raise KeyringError(f"version {file.version}: written by a newer Trunkline; update")
        for key in file.keys:
            _check_key(key)
        for signer in file.signers:
            _check_signer(signer)
        _check_unique([key.id for key in file.keys])
        _check_unique([f"{one.kind}:{one.name}" for one in file.signers])
        return cls(file.keys, file.signers)


def digest(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def key_text(key_id: str, randomness: bytes) -> str:
    """A key as its owner sees it, once: of 32 random bytes."""
    text = f"tk_{key_id}_{base64.urlsafe_b64encode(randomness).decode().rstrip('=')}"
    if not _KEY.fullmatch(text):
        raise ValueError("a key is made of an id of 8 to 16 of a-z 0-9, and of 32 bytes")
    return text


def _check_key(key: Key) -> None:
    try:
        tenant(key.tenant)
    except ValueError as exc:
        raise KeyringError(f"key {key.id[:16]}: {exc}") from exc
    if not re.fullmatch(r"[0-9a-f]{64}", key.digest) or not key.scopes:
        raise KeyringError(f"key {key.id[:16]}: digest or scopes are missing or wrong")


def _check_signer(signer: Signer) -> None:
    try:
        if not (signer.kind is Kind.JWT and signer.tenant == ANY_TENANT):
            tenant(signer.tenant)
    except ValueError as exc:
        raise KeyringError(f"signer {signer.name[:64]}: {exc}") from exc
    if wrong := _wrong(signer):
        raise KeyringError(f"signer {signer.name[:64]}: {wrong}")


def _wrong(signer: Signer) -> str | None:
    """What makes a signer useless, or dangerous."""
    if not signer.name or not signer.scopes:
        return "name or scopes are missing"
    match signer.kind:
        case Kind.CERTIFICATE:
            return None
        case Kind.JWT:
            return _wrong_token_signer(signer)
        case Kind.AUDIOHOOK:
            return None if _is_base64(signer.secret) else "the client secret must be base64"
        case Kind.TWILIO:
            if len(signer.secret) >= _SHORTEST_SECRET:
                return None
            return f"an auth token has at least {_SHORTEST_SECRET} characters"


def _wrong_token_signer(signer: Signer) -> str | None:
    if signer.algorithm not in _ALGORITHMS:
        return f"algorithm must be one of {', '.join(_ALGORITHMS)}"
    if not signer.audience:
        return "audience is missing"
    is_public = signer.secret.lstrip().startswith("-----BEGIN PUBLIC KEY-----")
    if (signer.algorithm == "HS256") == is_public:
        return "HS256 takes a secret, all others a public key in PEM"
    if not is_public and len(signer.secret.encode()) < _SHORTEST_HMAC:
        return f"a secret of HS256 has at least {_SHORTEST_HMAC} bytes"
    return None


def _is_base64(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) >= _SHORTEST_SECRET
    except (binascii.Error, ValueError):
        return False


def _check_unique(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise KeyringError("two keys or signers have the same name")
