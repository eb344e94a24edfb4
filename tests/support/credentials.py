"""A site with two tenants, their keys and tokens, and forged credentials."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cli import keys
from protocol.auth.credentials import Keyring, Scope, Signer, SignerKind

ISSUER, AUDIENCE = "https://acme.example", "trunkline"
BOTH = (Scope.INGEST, Scope.READ)
TWILIO_TOKEN = "0123456789abcdef0123456789abcdef"
AUDIOHOOK_SECRET = base64.b64encode(b"a secret that Genesys was given").decode()
PUBLIC_URL = "wss://calls.example.com"


@cache
def issuer_key() -> tuple[str, str]:
    """Return an RSA key: private and public, in PEM."""
    private = rsa.generate_private_key(65_537, 2_048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), public.decode()


def claims(**changed: object) -> dict[str, object]:
    """Return valid claims with the changes in `changed`; None removes a claim."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 60, "iat": now, "scope": "ingest read"}
    return {name: value for name, value in (good | changed).items() if value is not None}


def token(**changed: object) -> str:
    """Return a token of the issuer of the site."""
    return jwt.encode(claims(**changed), issuer_key()[0], algorithm="RS256")


def unsafe(header: Mapping[str, Any], body: Mapping[str, Any], secret: bytes | None) -> str:
    """Return a token as an attacker would build it: any header, HMAC with any secret, or no signature."""
    parts = [_packed(json.dumps(part).encode()) for part in (header, body)]
    signed = ".".join(parts).encode()
    signature = hmac.new(secret, signed, hashlib.sha256).digest() if secret is not None else b""
    return ".".join([*parts, _packed(signature)])


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Site:
    """A key file, and its credentials by tenant and scope."""

    file: Path
    acme: str = field(repr=False)
    acme_reader: str = field(repr=False)
    acme_bridge: str = field(repr=False)
    globex: str = field(repr=False)
    expired: str = field(repr=False)
    revoked: str = field(repr=False)


def site(folder: Path) -> Site:
    """Two tenants, a key of every kind, an issuer of tokens, Twilio and Genesys."""
    file, now = folder / "keys.json", time.time()

    def key(owner: str, scopes: tuple[Scope, ...] = BOTH, days: float | None = None) -> str:
        return keys.create(file, owner=owner, scopes=scopes, days=days, note="", now=now)

    made = Site(
        file,
        acme=key("acme"),
        acme_reader=key("acme", (Scope.READ,)),
        acme_bridge=key("acme", (Scope.INGEST,)),
        globex=key("globex"),
        expired=key("acme", days=-1),
        revoked=key("acme"),
    )
    keys.revoke(file, made.revoked.split("_")[1], now)
    for signer in _signers():
        keys.trust(file, signer)
    return made


def keyring() -> Keyring:
    """Return a keyring with the signers only."""
    return Keyring((), _signers())


def _signers() -> list[Signer]:
    public = issuer_key()[1]
    return [
        Signer(SignerKind.JWT, ISSUER, "acme", BOTH, public, algorithm="RS256", audience=AUDIENCE),
        Signer(SignerKind.TWILIO, "main", "acme", (Scope.INGEST,), TWILIO_TOKEN),
        Signer(SignerKind.AUDIOHOOK, "genesys-key", "acme", (Scope.INGEST,), AUDIOHOOK_SECRET),
        Signer(SignerKind.CERTIFICATE, "pbx.acme.example", "acme", (Scope.INGEST,)),
    ]


def bearer(text: str) -> dict[str, str]:
    """Return the HTTP header for a key or token."""
    return {"Authorization": f"Bearer {text}"}


def forged_tokens() -> dict[str, str]:
    """Return tokens that must be refused, by their fault."""
    now, public = int(time.time()), issuer_key()[1].encode()
    stranger = rsa.generate_private_key(65_537, 2_048)
    good = claims()
    rs256 = {"alg": "RS256", "typ": "JWT"}
    return {
        "alg none": unsafe({"alg": "none"}, good, None),
        "alg None": unsafe({"alg": "None"}, good, None),
        "alg NONE with a signature": unsafe({"alg": "NONE"}, good, b"x"),
        "no alg": unsafe({"typ": "JWT"}, good, None),
        "alg a number": unsafe({"alg": 256}, good, None),
        "RS256 without signature": unsafe(rs256, good, None),
        "HS256 with the public key": unsafe({"alg": "HS256"}, good, public),
        "HS256 with the stripped public key": unsafe({"alg": "HS256"}, good, public.strip()),
        "HS256 with nothing": unsafe({"alg": "HS256"}, good, b""),
        "RS256 said, HMAC done": unsafe(rs256, good, public),
        "a stranger's key": jwt.encode(good, stranger, algorithm="RS256"),
        "a stranger's key in the header": jwt.encode(
            good,
            stranger,
            algorithm="RS256",
            headers={"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
        ),
        "kid of a file": unsafe({"alg": "HS256", "kid": "../../dev/null"}, good, b""),
        "kid of a statement": unsafe({"alg": "HS256", "kid": "' OR 1=1 --"}, good, b"1"),
        "jku elsewhere": unsafe(rs256 | {"jku": "https://evil.example/keys"}, good, public),
        "crit unknown": jwt.encode(
            good, issuer_key()[0], algorithm="RS256", headers={"crit": ["trust-me"]}
        ),
        "wrong aud": token(aud="elsewhere"),
        "no aud": token(aud=None),
        "aud a number": unsafe(rs256, good | {"aud": 1}, None),
        "wrong iss": token(iss="https://globex.example"),
        "no iss": token(iss=None),
        "iss a list": unsafe(rs256, good | {"iss": [ISSUER]}, None),
        "expired": token(exp=now - 60),
        "no exp": token(exp=None),
        "exp a text": unsafe(rs256, good | {"exp": "9999999999"}, None),
        "good for a year": token(exp=now + 31_536_000),
        "not yet": token(nbf=now + 600),
        "made tomorrow": token(iat=now + 86_400),
        "another tenant": token(tenant="globex"),
        "tenant a path": token(tenant="../globex"),
        "scope admin": token(scope="admin"),
        "no scope": token(scope=None),
        "scope unknown": token(scope="read everything"),
        "call id a path": token(call="../../etc/passwd"),
        "body changed": _with_other_body(token()),
        "signature cut": token()[:-8],
        "two dots more": token() + "..",
        "huge": token(padding="x" * 5_000),
        "no JSON": f"{_packed(b'{')}.{_packed(b'{')}.x",
        "deep": f"{_packed(b'[' * 2_000)}.{_packed(b'[' * 2_000)}.x",
        "empty": "..",
    }


def _with_other_body(text: str) -> str:
    head, _, signature = text.split(".")
    return ".".join(
        [head, _packed(json.dumps(claims(scope="ingest read")).encode()) + "e30", signature]
    )


def forged_keys(real: Site) -> dict[str, str]:
    """Return keys that must be refused."""
    _, key_id, secret = real.acme.split("_", 2)
    return {
        "empty": "",
        "no key": "k",
        "expired": real.expired,
        "revoked": real.revoked,
        "id alone": f"tk_{key_id}_",
        "wrong secret": f"tk_{key_id}_{'A' * 43}",
        "unknown id": f"tk_{'z' * 10}_{secret}",
        "secret of another": f"tk_{key_id}_{real.globex.split('_', 2)[2]}",
        "upper case": real.acme.upper(),
        "one letter short": real.acme[:-1],
        "one letter more": real.acme + "A",
        "twice": f"{real.acme}{real.acme}",
        "its hash": next(one.digest for one in Keyring.decoded(real.file.read_bytes()).keys),
        "a star": "*",
        "null": "null",
    }
