"""
The keys of audio files, wrapped with a master key of the site.

A file's key is random. The store has it only wrapped: without the key file, or once the wrapped key is deleted, the
file cannot be read.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..operator_error import OperatorError

KEY_BYTES = 32
_ID_BYTES = 4
_NONCE_BYTES = 12


class MasterKeyError(OperatorError, ValueError):
    """The file of master keys is invalid. The text says what to change."""


class KeyUnwrapError(Exception):
    """A wrapped key was made with another master key, or is damaged, or is of another file."""


def new_key() -> bytes:
    """Return a random key for one file."""
    return secrets.token_bytes(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The master keys of a site, newest first: the newest wraps, all unwrap."""

    keys: tuple[bytes, ...] = field(repr=False)

    def wrap(self, key: bytes, name: str) -> bytes:
        """Wrap the key of the file `name`."""
        master = self.keys[0]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _id(master) + nonce + AESGCM(master).encrypt(nonce, key, name.encode())

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Return the key of the file `name`. Raises KeyUnwrapError."""
        nonce, sealed = wrapped[_ID_BYTES:][:_NONCE_BYTES], wrapped[_ID_BYTES + _NONCE_BYTES :]
        for master in self.keys:
            if _id(master) == wrapped[:_ID_BYTES]:
                try:
                    return AESGCM(master).decrypt(nonce, sealed, name.encode())
                except (InvalidTag, ValueError):
                    break
        raise KeyUnwrapError


def read_master_keys(text: str) -> MasterKeys:
    """Read a key file: a key of 32 bytes as Base64 on each line, newest first; `#` begins a comment."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    keys: Sequence[bytes] = [_key(line) for line in lines if line]
    if not keys:
        raise MasterKeyError(
            "the audio key file has no key: make one with head -c 32 /dev/urandom | base64"
        )
    return MasterKeys(tuple(keys))


def _key(line: str) -> bytes:
    try:
        key = base64.b64decode(line, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise MasterKeyError(
            "a line of the audio key file is not Base64 of 32 bytes: make one with head -c 32 /dev/urandom | base64"
        )
    return key


def _id(master: bytes) -> bytes:
    """Tells which master key has wrapped a key."""
    return hashlib.sha256(b"trunkline audio master\0" + master).digest()[:_ID_BYTES]
