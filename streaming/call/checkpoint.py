"""How far a call has come: what another gateway needs beside the log to go on with it."""

from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

import msgspec

from protocol.call import CallConfig, Role

VERSION = 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    Lies in Redis beside the log of every call in progress, and is renewed every two seconds.

    A field that an older gateway did not write has its default; one that this gateway does not know is left out.
    """

    roles: tuple[Role, ...]
    dialect: str
    started_at: float
    config: CallConfig
    heard: tuple[int, ...]
    """Where each channel stands as far as nothing is lost with its gateway, on the call clock."""

    token: bytes = b""
    """Hash of what a bridge must show that wants to go on with the call; empty when none was given out."""

    rejected_keywords: tuple[str, ...] = ()
    """What was refused of the list that the call began with, for a log that has not been begun."""

    marks: tuple[str, ...] = ()
    """Names that the bridge waits for."""

    def opens_for(self, token: str) -> bool:
        """Whether `token` is the one that was given out."""
        return bool(self.token) and compare_digest(self.token, hashed(token))


def hashed(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The wire form."""
    return msgspec.msgpack.encode((VERSION, checkpoint))


def decode_checkpoint(payload: bytes) -> Checkpoint | None:
    """The reverse; None for what another version has written."""
    try:
        version, body = msgspec.msgpack.decode(payload, type=tuple[int, msgspec.Raw])
        return msgspec.msgpack.decode(body, type=Checkpoint) if version == VERSION else None
    except msgspec.MsgspecError:
        return None
