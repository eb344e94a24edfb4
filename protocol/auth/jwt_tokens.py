"""
JSON Web Tokens (RFC 7519), for browsers: a site's own server signs one for each page.

The algorithm is configured for the issuer; the algorithm in the token's header must be equal to it.
"""

from collections.abc import Mapping
from typing import Any

import jwt

from ..calls.call import adapted_call_id
from ..tenants import tenant
from .credentials import ANY_TENANT, Keyring, Permit, Scope, Signer, SignerKind

_LONGEST = 4_096
_LEEWAY_S = 30
"""Allowed clock difference in seconds."""

_LONGEST_LIFE_S = 3_600
"""Longest validity of a token; for a longer time use a key, which can be revoked."""


def read_token(keyring: Keyring, text: str, now: float) -> Permit | None:
    """Return the permit of a token; None if the token is invalid.  `now`: Unix seconds."""
    if len(text) > _LONGEST or text.count(".") != 2:
        return None
    try:
        issuer = jwt.decode(text, options={"verify_signature": False}).get("iss")
        for signer in keyring.signed_by(SignerKind.JWT, issuer if isinstance(issuer, str) else ""):
            return _permit(signer, _verified(signer, text), now)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        pass
    return None


def _verified(signer: Signer, text: str) -> Mapping[str, Any]:
    """
    Return the claims if the signature is valid.  Raises jwt.PyJWTError if it is not.

    PyJWT reads the system clock, so `_check_times` checks the times instead.
    """
    claims: Mapping[str, Any] = jwt.decode(
        text,
        signer.secret,
        algorithms=[signer.algorithm],
        audience=signer.audience,
        issuer=signer.name,
        options={
            "require": ["exp", "aud", "iss"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        },
    )
    return claims


def _permit(signer: Signer, claims: Mapping[str, Any], now: float) -> Permit:
    _check_times(claims, now)
    scopes = frozenset(Scope(word) for word in _text(claims, "scope", "").split())
    if not scopes or not scopes <= frozenset(signer.scopes):
        raise ValueError("a scope that its issuer must not give")
    call = _text(claims, "call", "")
    if "/" in call:
        raise ValueError("the value is not a call id: write a slash in a call id as =2F")
    return Permit(
        f"{signer.kind}:{signer.name}",
        _tenant(signer, claims),
        scopes,
        adapted_call_id(call) if call else None,
    )


def _tenant(signer: Signer, claims: Mapping[str, Any]) -> str:
    said = _text(claims, "tenant", "")
    if signer.tenant == ANY_TENANT:
        if not said:
            raise ValueError("no tenant")
        return tenant(said)
    if said not in ("", signer.tenant):
        raise ValueError("not this issuer's tenant")
    return signer.tenant


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, begins, made = (claims.get(name) for name in ("exp", "nbf", "iat"))
    for when in (expires, begins, made):
        if when is not None and (isinstance(when, bool) or not isinstance(when, int | float)):
            raise ValueError("a time that is not a number")
    if not now - _LEEWAY_S < claims["exp"] <= now + _LONGEST_LIFE_S + _LEEWAY_S:
        raise ValueError("expired, or its lifetime is too long")
    if max(begins or 0, made or 0) > now + _LEEWAY_S:
        raise ValueError("not valid yet")


def _text(claims: Mapping[str, Any], name: str, default: str) -> str:
    value = claims.get(name, default)
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value
