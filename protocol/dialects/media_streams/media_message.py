"""The message with audio of Media Streams, read without its other fields."""

import msgspec

from ..common.json_fields import decoded

_LONGEST_STAMP = 15
"""Digits."""


class Media(msgspec.Struct, frozen=True, gc=False):
    """The field `media`."""

    payload: bytes
    """Decoded from base64."""

    track: str | msgspec.UnsetType = msgspec.UNSET
    timestamp: str | int | msgspec.UnsetType = msgspec.UNSET

    @property
    def stamp(self) -> int | None:
        """The timestamp in milliseconds; None if there is none.  Raises ValueError for anything else."""
        stamp = self.timestamp
        if isinstance(stamp, str):
            if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP):
                raise ValueError("not a timestamp")
            return int(stamp)
        if stamp is msgspec.UNSET:
            return None
        if not 0 <= stamp < 10**_LONGEST_STAMP:
            raise ValueError("not a timestamp")
        return stamp


class _Message(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag="media"):
    media: Media


_DECODER = msgspec.json.Decoder(_Message)


def media_of(message: str) -> Media | None:
    """Return the audio of a message; None if it has none, or not in the usual form."""
    body = decoded(_DECODER, message)
    return None if body is None else body.media
