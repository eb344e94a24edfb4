"""
Reading fields of foreign JSON.

Bridges send numbers as strings and leave fields out; each function takes what is meant and refuses the rest
with a sentence that names the field.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ... import call
from ...bridge_events import DialectError, UnreadableError

_LONGEST_CONTROL = 65_536
"""Bytes.  A control message in a binary frame has a few hundred; a list of keywords some thousands."""

_DIGIT = re.compile(r"[0-9*#A-D]", re.ASCII)


def parse(message: str | bytes) -> Mapping[str, Any]:
    """The JSON object in a message.  Half a surrogate pair, which nobody could write down again, is refused."""
    try:
        body = msgspec.json.decode(message)
    except (ValueError, RecursionError) as exc:
        raise UnreadableError("not a JSON message") from exc
    if not isinstance(body, dict):
        raise UnreadableError("a message must be a JSON object")
    return body


def kind(body: Mapping[str, Any], name: str) -> str:
    """The field that says what kind of message it is; UnreadableError when it says nothing."""
    value = body.get(name)
    if not isinstance(value, str):
        raise UnreadableError(f"{name} must be a string")
    return value


def control(message: str | bytes) -> str | bytes:
    """
    The text of a control message that its client has sent in a binary frame; any other message as it is.

    A frame is a control message if all of it is one JSON object with a `type` or an `event`: audio that looks
    like this by chance does not exist.
    """
    if isinstance(message, str) or len(message) > _LONGEST_CONTROL:
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
    """An object inside an object."""
    value = body.get(name)
    if not isinstance(value, dict):
        raise DialectError(f"{name} must be an object")
    return value


def text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A string."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise DialectError(f"{name} must be a string")
    return value


def whole(body: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A whole number of at most fifteen digits, also when it is written as a string."""
    value = body.get(name, default)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15:
        return value
    raise DialectError(f"{name} must be a whole number of at most 15 digits")


def boolean(body: Mapping[str, Any], name: str, default: bool) -> bool:  # noqa: FBT001  # a value of a field
    """True or false, also when it is written as a string."""
    value = body.get(name, default)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise DialectError(f"{name} must be true or false")


def strings(body: Mapping[str, Any], name: str) -> list[str]:
    """A list of strings; nothing is an empty one."""
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise DialectError(f"{name} must be a list of strings")
    return value


def payload(body: Mapping[str, Any], name: str = "payload") -> bytes:
    """Bytes in base64."""
    try:
        return base64.b64decode(text(body, name), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise DialectError(f"{name} is not base64") from exc


def digit(body: Mapping[str, Any], name: str = "digit") -> str:
    """A telephone key."""
    value = text(body, name).upper()
    if not _DIGIT.fullmatch(value):
        raise DialectError(f"{name} must be one of 0 to 9, *, #, A to D")
    return value


def call_id(body: Mapping[str, Any], name: str) -> str | None:
    """The bridge's own id of the call, in the form under which it is filed; None when there is none."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return call.adapted_call_id(str(value))
