"""
Signatures of webhooks, and the times at which a failed one is sent again.  Pure.

The convention is https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md:
libraries for receivers exist in many languages.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

_PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64

_PAUSES = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
"""Seconds before each further attempt: eleven attempts within about a day."""

_JITTER = 0.2
"""Share by which a pause is longer or shorter: requests that failed together are not sent together again."""


class SecretError(ValueError):
    """The text is no secret.  It tells what a secret looks like."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A key that sender and receiver share."""

    key: bytes = field(repr=False)

    @classmethod
    def read(cls, text: str) -> "Secret":
        """Read a secret of the form `whsec_<base64>`.  Raises SecretError."""
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not text.startswith(_PREFIX) or not _SHORTEST <= len(key) <= _LONGEST:
            raise SecretError(
                f"a secret is {_PREFIX} and {_SHORTEST} to {_LONGEST} random bytes in base64"
            )
        return cls(key)

    def signature(self, webhook_id: str, sent_at: int, body: bytes) -> str:
        """Return the signature of one attempt.  `sent_at`: Unix seconds."""
        signed = f"{webhook_id}.{sent_at}.".encode() + body
        digest = hmac.new(self.key, signed, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the end of a job is told, and the secret that signs it; empty: it is not signed."""

    url: str
    secret: str = field(repr=False)


def signed_headers(
    secrets: Sequence[Secret], webhook_id: str, sent_at: int, body: bytes
) -> dict[str, str]:
    """Return the headers of one attempt.  While a secret is replaced, both the old and the new one sign."""
    signatures = " ".join(one.signature(webhook_id, sent_at, body) for one in secrets)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": signatures,
    }


def pause_after(attempts: int, chance: float = 0.5) -> float | None:
    """
    Return the seconds to wait after `attempts` failed attempts; None if there is no further attempt.

    `chance`: random, 0 to 1.
    """
    if attempts > len(_PAUSES):
        return None
    return _PAUSES[attempts - 1] * (1 - _JITTER + 2 * _JITTER * chance)
