"""
Reads required fields of a bridge's JSON messages.

Bridges send numbers as strings and omit fields.  Each function accepts the usual forms of a value, and raises
DialectError, whose text names the field, for all others.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from ...bridge_events import DialectError, UnreadableError
from ...calls import call

_LONGEST_CONTROL = 65_536
"""Bytes.  A control message in a binary frame has a few hundred bytes; a list of keywords some thousands."""

_FIRST_BYTES = (b"{", b" ", b"\t", b"\n", b"\r", b"\v", b"\f")
"""A JSON object, or white space before it."""

_FIRST_CODES = frozenset(b"".join(_FIRST_BYTES))

_T = TypeVar("_T")

_DIGIT = re.compile(r"[0-9*#A-D]", re.ASCII)


def parse(message: str | bytes) -> Mapping[str, Any]:
    """The JSON object in a message.  Raises UnreadableError for anything else, also for a lone surrogate."""
    try:
        body = msgspec.json.decode(message)
    except (ValueError, RecursionError) as exc:
        raise UnreadableError("not a JSON message") from exc
    if not isinstance(body, dict):
        raise UnreadableError("a message must be a JSON object")
    return body


def decoded(decoder: "msgspec.json.Decoder[_T]", message: str) -> _T | None:
    """What `decoder` reads from a message; None if it is of another form, or nested too deeply."""
    try:
        return decoder.decode(message)
    except (ValueError, RecursionError):
        return None


def kind(body: Mapping[str, Any], name: str) -> str:
    """The type of a message, from its field `name`.  Raises UnreadableError when it is not a string."""
    value = body.get(name)
    if not isinstance(value, str):
        raise UnreadableError(f"{name} must be a string")
    return value


def is_audio(message: bytes) -> bool:
    """
    Return whether a binary frame is certainly no control message.

    `{` alone says little: it is the code of mu-law for a soft sample.
    """
    if not message or message[0] not in _FIRST_CODES:
        return bool(message)
    trimmed = message.strip()
    return not (trimmed.startswith(b"{") and trimmed.endswith(b"}"))


def control(message: str | bytes) -> str | bytes:
    """
    The text of a control message that a client sent in a binary frame; any other message unchanged.

    A frame is a control message if it consists of one JSON object with a `type` or an `event`.  Audio does not look
    like this by chance.
    """
    if isinstance(message, str) or len(message) > _LONGEST_CONTROL:
        return message
    if message[:1] not in _FIRST_BYTES:
        return message
    trimmed = message.strip()
    if not (trimmed.startswith(b"{") and trimmed.endswith(b"}")):
        return message
    try:
        body = msgspec.json.decode(trimmed)
        said = body.get("type", body.get("event"))
        return trimmed.decode() if isinstance(said, str) else message
    except (ValueError, RecursionError):
        return message


def member(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The JSON object in the field `name`."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise DialectError(f"{name} must be an object")
    return value


def text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """The string in the field `name`, or `default` if the field is missing."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise DialectError(f"{name} must be a string")
    return value


def whole(body: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """The integer in the field `name`: 0 or more, at most 15 digits, also written as a string."""
    value = body.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15:
        return value
    raise DialectError(f"{name} must be a whole number of at most 15 digits")


def boolean(body: Mapping[str, Any], name: str, default: bool) -> bool:  # noqa: FBT001  # a value of a field
    """The boolean in the field `name`, also written as a string."""
    value = body.get(name, default)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise DialectError(f"{name} must be true or false")


def strings(body: Mapping[str, Any], name: str) -> list[str]:
    """The list of strings in the field `name`; empty if the field is missing."""
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DialectError(f"{name} must be a list of strings")
    return value


def payload(body: Mapping[str, Any], name: str = "payload") -> bytes:
    """The bytes in the field `name`, in base64."""
    try:
        return base64.b64decode(text(body, name), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise DialectError(f"{name} is not base64") from exc


def digit(body: Mapping[str, Any], name: str = "digit") -> str:
    """The DTMF digit in the field `name`: 0 to 9, `*`, `#`, A to D."""
    value = text(body, name).upper()
    if not _DIGIT.fullmatch(value):
        raise DialectError(f"{name} must be one of 0 to 9, *, #, A to D")
    return value


def call_id(body: Mapping[str, Any], name: str) -> str | None:
    """The bridge's id of the call in the field `name`, as a valid call id; None if there is none."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return call.adapted_call_id(str(value))
