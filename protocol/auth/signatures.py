"""
Checks the signatures of requests from bridges (Twilio, AudioHook).

Pure: secrets and the time are arguments. This module logs nothing.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_COMPONENTS = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)
_INPUT = re.compile(r'sig1=(\((?:"[a-z0-9@-]+" ?)+\)(?:;[a-z]+=(?:"[^"]*"|\d+))*)', re.ASCII)
_PARAMETER = re.compile(r';([a-z]+)=(?:"([^"]*)"|(\d+))', re.ASCII)
_SIGNATURE = re.compile(r"sig1=:([A-Za-z0-9+/=]+):", re.ASCII)
_SCHEMES: tuple[tuple[tuple[str, ...], int | None], ...] = (
    (("wss", "https"), 443),
    (("ws", "http"), 80),
)
"""Equivalent schemes of a URL, with their default port."""

_SHORTEST_NONCE = 22
_AHEAD_S = 3
"""Seconds that the clock of a signer may be ahead of ours."""

_OLDEST_S = 10


class SignatureError(Exception):
    """The signature of the request is missing or wrong. The text is for operators."""


def twilio_signature(token: str, url: str) -> str:
    """
    The header `x-twilio-signature` of a stream: base64 of HMAC-SHA1 over the exact URL that Twilio requested.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    return base64.b64encode(hmac.new(token.encode(), url.encode(), hashlib.sha1).digest()).decode()


def is_from_twilio(token: str, url: str, signature: str) -> bool:
    """
    True if the signature matches the public URL, in one of the spellings that Twilio may have signed.

    The spellings: with or without a trailing slash; `wss://` or `https://` (`ws://` or `http://`); with its port,
    with the default port of its scheme, or without a port, as RequestValidator of Twilio accepts them.
    """
    return any(
        hmac.compare_digest(twilio_signature(token, one).encode(), signature.encode())
        for one in _spellings(url)
    )


def _spellings(url: str) -> list[str]:
    """Equivalent spellings of a URL. The settings have validated the URL, so parsing does not fail."""
    parts = urlsplit(url)
    pair, default = next(
        (known for known in _SCHEMES if parts.scheme in known[0]), ((parts.scheme,), None)
    )
    host = parts.netloc.removesuffix(f":{parts.port}")
    port = parts.port or default
    places = [host, f"{host}:{port}"] if port else [host]
    bare = url.partition(parts.netloc)[2].rstrip("/")
    return [
        f"{scheme}://{place}{bare}{end}" for scheme in pair for place in places for end in ("", "/")
    ]


@dataclass(frozen=True, slots=True)
class Signed:
    """An AudioHook request as received. `headers`: names in lower case."""

    target: str
    """Path and query string."""

    authority: str
    """The Host header, without a default port."""

    headers: Mapping[str, str]


def check_audiohook(request: Signed, secret: str, now: float) -> str:
    """
    Check the signature of a request and return its nonce. Raises SignatureError.

    `secret`: the client secret in base64. `now`: wall clock in seconds since 1970. The caller must remember nonces
    for ten seconds and refuse repeated ones. https://developer.genesys.cloud/devapps/audiohook/security
    """
    said = _INPUT.fullmatch(request.headers.get("signature-input", "").strip())
    signature = _SIGNATURE.fullmatch(request.headers.get("signature", "").strip())
    if said is None or signature is None:
        raise SignatureError(
            "the signature is missing or is not an HTTP message signature (RFC 9421)"
        )
    parameters: dict[str, str] = {
        name: text or number for name, text, number in _PARAMETER.findall(said[1])
    }
    components = re.findall(r'"([^"]+)"', said[1].partition(")")[0])
    _check_parameters(components, parameters, request.headers, now)
    expected = _audiohook_digest(request, components, said[1], secret)
    if not hmac.compare_digest(expected, _decoded(signature[1])):
        raise SignatureError("the signature does not match: is the client secret right?")
    return parameters["nonce"]


def nonce_of(headers: Mapping[str, str]) -> str:
    """Return the nonce of a request whose signature `check_audiohook` has accepted."""
    said = _PARAMETER.findall(headers.get("signature-input", ""))
    parameters: dict[str, str] = {name: text or number for name, text, number in said}
    return parameters.get("nonce", "")


def _check_parameters(
    components: list[str], parameters: Mapping[str, str], headers: Mapping[str, str], now: float
) -> None:
    if not set(_COMPONENTS) <= set(components):
        raise SignatureError("the signature does not cover all required fields")
    if parameters.get("alg", "hmac-sha256") != "hmac-sha256":
        raise SignatureError("the signature must be made with hmac-sha256")
    if parameters.get("keyid") != headers.get("x-api-key"):
        raise SignatureError("keyid is not the API key of the request")
    if len(parameters.get("nonce", "")) < _SHORTEST_NONCE:
        raise SignatureError("the nonce is missing or too short")
    created, expires = (parameters.get(name, "") for name in ("created", "expires"))
    if not (created.isdecimal() and expires.isdecimal()):
        raise SignatureError("created and expires must be numbers")
    if not now - _OLDEST_S <= int(created) <= now + _AHEAD_S or int(expires) < now:
        raise SignatureError("the signature has expired, or the clocks differ")


def _audiohook_digest(
    request: Signed, components: list[str], parameters: str, secret: str
) -> bytes:
    derived = {"@request-target": request.target, "@authority": request.authority}
    lines = []
    for name in components:
        value = derived.get(name, request.headers.get(name))
        if value is None:
            raise SignatureError("the signature covers a header that is not in the request")
        lines.append(f'"{name}": {value}')
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    return hmac.new(_decoded(secret), base.encode(), hashlib.sha256).digest()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise SignatureError("a secret or signature that is not base64") from exc
