"""
Encrypts the chunks of one file: AES-256-GCM (NIST SP 800-38D) with the number of the chunk as nonce.

The cipher key is derived from the file's key and the salt of the file (HKDF, RFC 5869): a file that is written
again never repeats a nonce under the same cipher key.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT_BYTES = 16
TAG_BYTES = 16
_NONCE_BYTES = 12


class DamagedChunkError(Exception):
    """A chunk was changed, cut, moved, or encrypted with another key."""


def new_salt() -> bytes:
    """Return a random salt for one file."""
    return secrets.token_bytes(SALT_BYTES)


class ChunkCipher:
    """Encrypts and decrypts the chunks of one file."""

    def __init__(self, key: bytes, salt: bytes, purpose: str) -> None:
        """`purpose`: the kind of file, so that a key is never used in two formats."""
        derived = HKDF(SHA256(), 32, salt, b"trunkline audio " + purpose.encode()).derive(key)
        self._cipher = AESGCM(derived)

    def seal(self, number: int, plain: bytes, head: bytes = b"") -> bytes:
        """Encrypt chunk `number`, once for each number; `head` is authenticated with it."""
        return self._cipher.encrypt(_nonce(number), plain, head)

    def unseal(self, number: int, sealed: bytes, head: bytes = b"") -> bytes:
        """Decrypt chunk `number`. Raises DamagedChunkError."""
        try:
            return self._cipher.decrypt(_nonce(number), sealed, head)
        except (InvalidTag, ValueError, OverflowError) as exc:
            raise DamagedChunkError from exc


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")
