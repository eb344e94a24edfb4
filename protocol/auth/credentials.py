"""
Credentials: API keys, and signers whose signatures are accepted like keys.

Pure: file contents in, permits out. The gateway reads the file, `trunkline keys` writes it. Only the SHA-256 of a
key is stored. A key has 256 random bits, so it needs no slow hash; slow hashes are for passwords that people
choose.
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

from ..operator_error import OperatorError
from ..tenants import filed, tenant

VERSION = 1
ANY_TENANT = "*"
"""Tenant of a token signer whose tokens name the tenant themselves."""

_KEY = re.compile(r"tk_([a-z0-9]{8,16})_([A-Za-z0-9_-]{43})", re.ASCII)
_UNKNOWN_KEY = hashlib.sha256(b"nobody").hexdigest()
"""Compared with an unknown key, so that the check takes as long as for a known one."""

_LONGEST = 128
"""Only this many characters of a presented key are checked; a valid key is shorter."""

_SHORTEST_SECRET = 16
_SHORTEST_HMAC = 32
"""Shortest HS256 secret in bytes: 256 bits (RFC 7518, 3.2)."""


class KeyringError(OperatorError, ValueError):
    """The key file is invalid. The text says why and never quotes a secret."""


class Scope(StrEnum):
    """What a credential permits."""

    INGEST = "ingest"
    """Send calls, as a bridge."""

    READ = "read"
    """Read the events of calls and the store."""

    ADMIN = "admin"
    """All of the above, and delete."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The result of a successful authentication."""

    name: str
    """Name of the credential, such as `key:4f6a9b2c`; may be logged."""

    tenant: str = ""
    scopes: frozenset[Scope] = frozenset(Scope)
    call_id: str | None = None
    """The only call that it permits; None: all calls of the tenant."""

    def allows(self, scope: Scope) -> bool:
        """True if the permit includes `scope`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def covers(self, call_id: str) -> bool:
        """True if the permit is valid for this call."""
        return self.call_id is None or self.call_id == call_id

    def filed(self, call_id: str) -> str:
        """The filed id (`tenant/call id`) of a call of this tenant."""
        return filed(self.tenant, call_id)


EVERYTHING = Permit("open")
"""Permit of every request to a gateway without keys, which listens on this machine only."""


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key as stored, without its secret. Times are seconds since 1970."""

    id: str
    digest: str
    tenant: str
    scopes: tuple[Scope, ...]
    created: float
    expires: float | None = None
    revoked: float | None = None
    note: str = ""

    def is_good(self, now: float) -> bool:
        """True if the key is neither revoked nor expired at `now` (seconds since 1970)."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class SignerKind(StrEnum):
    """Kinds of signers."""

    JWT = "jwt"
    TWILIO = "twilio"
    AUDIOHOOK = "audiohook"
    CERTIFICATE = "certificate"


class Signer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A party whose signature is accepted as a credential."""

    kind: SignerKind
    name: str
    """JWT: the issuer. AudioHook: the API key. Certificate: the common name. Twilio: any name."""

    tenant: str
    scopes: tuple[Scope, ...]
    secret: str = ""
    """Twilio: the auth token. AudioHook: the client secret in base64. JWT: the secret or the public key (PEM)."""

    algorithm: str = ""
    """JWT: the only algorithm that is accepted from this issuer."""

    audience: str = ""
    """JWT: the required value of `aud`."""

    def __repr__(self) -> str:
        return f"Signer({self.kind}, {self.name!r})"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    keys: tuple[ApiKey, ...] = ()
    signers: tuple[Signer, ...] = ()


_ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")


class Keyring:
    """All keys and signers of an installation. Immutable: a change makes a new keyring."""

    def __init__(self, keys: Iterable[ApiKey] = (), signers: Iterable[Signer] = ()) -> None:
        self.keys = tuple(keys)
        self.signers = tuple(signers)
        self._by_id = {key.id: key for key in self.keys}

    def unlock(self, text: str, now: float) -> Permit | None:
        """The permit of the key in `text`; None if the key is invalid. Takes the same time for all invalid keys."""
        said = _KEY.fullmatch(text[:_LONGEST])
        key = self._by_id.get(said[1]) if said else None
        expected = key.digest if key else _UNKNOWN_KEY
        matches = hmac.compare_digest(digest(text[:_LONGEST]), expected)
        if key is None or not matches or not key.is_good(now):
            return None
        return Permit(f"key:{key.id}", key.tenant, frozenset(key.scopes))

    def signed_by(self, kind: SignerKind, name: str | None = None) -> list[Signer]:
        """The signers of a kind; with `name`, only those of this name."""
        return [one for one in self.signers if one.kind == kind and name in (None, one.name)]

    def honours(self, permit: Permit, now: float) -> bool:
        """True if a permit from an earlier authentication is still valid."""
        kind, _, name = permit.name.partition(":")
        if kind == "key":
            key = self._by_id.get(name)
            return key is not None and key.is_good(now)
        return any(f"{one.kind}:{one.name}" == permit.name for one in self.signers)

    def encoded(self) -> bytes:
        """Encode as a key file: indented JSON."""
        body = msgspec.json.encode(_File(VERSION, self.keys, self.signers))
        return msgspec.json.format(body, indent=2) + b"\n"

    @classmethod
    def decoded(cls, content: bytes) -> "Keyring":
        """Decode and check a key file. Raises `KeyringError`."""
        try:
            file = msgspec.json.decode(content, type=_File)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            raise KeyringError(f"not a key file:  {exc}") from exc
        if file.version != VERSION:
            raise KeyringError(
                f"version {file.version}: written by a newer Trunkline; update this one"
            )
        for key in file.keys:
            _check_key(key)
        for signer in file.signers:
            _check_signer(signer)
        _check_unique([key.id for key in file.keys])
        _check_unique([f"{one.kind}:{one.name}" for one in file.signers])
        return cls(file.keys, file.signers)


def digest(text: str) -> str:
    """The SHA-256 of a key in hexadecimal, as stored."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def key_text(key_id: str, randomness: bytes) -> str:
    """The text of a new key, shown once to its owner. `randomness`: 32 random bytes. Raises ValueError."""
    text = f"tk_{key_id}_{base64.urlsafe_b64encode(randomness).decode().rstrip('=')}"
    if not _KEY.fullmatch(text):
        raise ValueError("a key needs an id of 8 to 16 characters a-z 0-9, and 32 random bytes")
    return text


def _check_key(key: ApiKey) -> None:
    try:
        tenant(key.tenant)
    except ValueError as exc:
        raise KeyringError(f"key {key.id[:16]}: {exc}") from exc
    if not re.fullmatch(r"[0-9a-f]{64}", key.digest) or not key.scopes:
        raise KeyringError(f"key {key.id[:16]}: digest or scopes are missing or invalid")


def _check_signer(signer: Signer) -> None:
    try:
        if not (signer.kind is SignerKind.JWT and signer.tenant == ANY_TENANT):
            tenant(signer.tenant)
    except ValueError as exc:
        raise KeyringError(f"signer {signer.name[:64]}: {exc}") from exc
    if wrong := _wrong(signer):
        raise KeyringError(f"signer {signer.name[:64]}: {wrong}")


def _wrong(signer: Signer) -> str | None:
    """Why a signer is invalid or insecure; None if it is valid."""
    if not signer.name or not signer.scopes:
        return "name or scopes are missing"
    match signer.kind:
        case SignerKind.CERTIFICATE:
            return None
        case SignerKind.JWT:
            return _wrong_token_signer(signer)
        case SignerKind.AUDIOHOOK:
            return None if _is_base64(signer.secret) else "the client secret must be base64"
        case SignerKind.TWILIO:
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
