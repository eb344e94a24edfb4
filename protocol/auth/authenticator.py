"""
Authentication: decides which permit a request gets.

Pure: keys, time and request are arguments.  Every refusal of invalid credentials has the same text;
`access_control.py` makes all of them take the same time.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from .credentials import EVERYTHING, Keyring, Permit, Scope, Signer, SignerKind
from .jwt_tokens import read_token
from .request_credentials import RequestCredentials
from .signatures import SignatureError, Signed, check_audiohook, is_from_twilio
from .token_bucket import TokenBucket

_TWILIO_PATH = "/twilio"
_AUDIOHOOK_PATH = "/audiohook"
_NONCE_SECONDS = 15.0
"""Seconds to remember a nonce: slightly longer than a signature of AudioHook is valid."""

_MOST_NONCES = 50_000
"""Most nonces of valid signatures within 15 s; further signatures are refused."""

_MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """The response to a refused request."""

    status: HTTPStatus
    text: str
    retry_after: int | None = None
    """Seconds after which the client may try again; None if a retry is useless."""

    about: str = ""
    """Reason for the metrics; empty: the name of the status is used."""

    @property
    def reason(self) -> str:
        """The reason, as a label for metrics."""
        return self.about or self.status.phrase.lower().replace(" ", "_")


STRANGER = Refusal(
    HTTPStatus.UNAUTHORIZED, "the key is missing or not valid: see docs/security.md\n"
)
FORBIDDEN = Refusal(
    HTTPStatus.FORBIDDEN, "this key does not permit the request: see docs/security.md\n"
)


def too_many_connections(wait: int) -> Refusal:
    """Return the refusal of a key that connects too often.  `wait`: seconds until it may connect again."""
    text = "too many connections at the same time: try again\n"
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, wait)


def _none(_: RequestCredentials, __: float) -> Permit | None:
    return None


class Authenticator:
    """Authenticates requests with a keyring.  Without a keyring every request gets all rights."""

    def __init__(
        self,
        keyring: Keyring | None,
        public_url: str,
        connects_per_second: float,
        derived: Callable[[RequestCredentials, float], Permit | None] = _none,
    ) -> None:
        """
        `public_url`: the URL that bridges use and sign, for example `wss://calls.example.com`.

        `derived`: returns the permit of a credential that was issued for a key, such as the session of a browser,
        from the request and Unix seconds.  It is valid as long as the key.
        """
        self.keyring = keyring
        self._derived = derived
        self._public = public_url.rstrip("/")
        self._rate = connects_per_second
        self._nonces: OrderedDict[str, float] = OrderedDict()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def authenticate(
        self, credentials: RequestCredentials, wanted: Scope, now: float, call_id: str | None = None
    ) -> Permit | Refusal:
        """
        Return the permit of a request, or its refusal.

        `wanted`: the required scope; `now`: Unix seconds; `call_id`: the call that the request names.
        """
        permit = self.recognise(credentials, now)
        if permit is None:
            return STRANGER
        if not permit.allows(wanted) or not (call_id is None or permit.covers(call_id)):
            return FORBIDDEN
        if wait := self._wait(permit, now):
            return too_many_connections(wait)
        return permit

    def stands(self, permit: Permit, now: float) -> bool:
        """Return whether a permit is still valid."""
        return self.keyring is None or self.keyring.honours(permit, now)

    def recognise(self, credentials: RequestCredentials, now: float) -> Permit | None:
        """Return the permit of the request's credential; None if the credential is missing or invalid."""
        if self.keyring is None:
            return EVERYTHING
        if credentials.is_ambiguous:
            return None
        for permit in (
            self._by_signature(self.keyring, credentials, now),
            self._by_secret(self.keyring, credentials, now),
        ):
            if permit is not None:
                return permit
        derived = self._derived(credentials, now)
        if derived is not None and self.keyring.honours(derived, now):
            return derived
        shows_nothing = not credentials.secrets() and credentials.token is None
        return _certified(self.keyring, credentials.certificate) if shows_nothing else None

    def _by_secret(
        self, keyring: Keyring, credentials: RequestCredentials, now: float
    ) -> Permit | None:
        for text in credentials.secrets():
            if permit := keyring.unlock(text, now) or read_token(keyring, text, now):
                return permit
        return read_token(keyring, credentials.token, now) if credentials.token else None

    def _by_signature(
        self, keyring: Keyring, credentials: RequestCredentials, now: float
    ) -> Permit | None:
        headers = dict(credentials.headers)
        if credentials.path == _TWILIO_PATH and (signature := headers.get("x-twilio-signature")):
            for signer in keyring.signed_by(SignerKind.TWILIO):
                if self._public and is_from_twilio(
                    signer.secret, f"{self._public}{credentials.target}", signature
                ):
                    return _permit(signer)
        if credentials.path == _AUDIOHOOK_PATH and "signature" in headers:
            for signer in keyring.signed_by(SignerKind.AUDIOHOOK, headers.get("x-api-key", "")):
                if self._is_audiohook(signer, credentials, headers, now):
                    return _permit(signer)
        return None

    def _is_audiohook(
        self,
        signer: Signer,
        credentials: RequestCredentials,
        headers: Mapping[str, str],
        now: float,
    ) -> bool:
        authority = urlsplit(self._public).netloc or headers.get("host", "")
        try:
            nonce = check_audiohook(
                Signed(credentials.target, authority, headers), signer.secret, now
            )
        except SignatureError:
            return False
        return self._is_new(f"{signer.name}:{nonce}", now)

    def _is_new(self, nonce: str, now: float) -> bool:
        """Return whether a valid signature is used for the first time."""
        while self._nonces and next(iter(self._nonces.values())) < now - _NONCE_SECONDS:
            self._nonces.popitem(last=False)
        if nonce in self._nonces or len(self._nonces) >= _MOST_NONCES:
            return False
        self._nonces[nonce] = now
        return True

    def _wait(self, permit: Permit, now: float) -> int | None:
        """Return the seconds until this key may connect again; None if it may connect now."""
        if permit is EVERYTHING:
            return None
        bucket = self._buckets.setdefault(
            permit.name, TokenBucket(self._rate, max(1.0, self._rate), now)
        )
        self._buckets.move_to_end(permit.name)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        missing = bucket.take(1, now)
        return math.ceil(missing) if missing else None


def _certified(keyring: Keyring, name: str | None) -> Permit | None:
    signers = keyring.signed_by(SignerKind.CERTIFICATE, name) if name else []
    return _permit(signers[0]) if signers else None


def _permit(signer: Signer) -> Permit:
    return Permit(f"{signer.kind}:{signer.name}", signer.tenant, frozenset(signer.scopes))
