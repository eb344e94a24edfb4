"""AudioHook's envelopes, durations and transcript entities."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from ...bridge_events import BridgeWarning, DialectError, UnreadableError, WarningCode
from ...clock import from_seconds, to_ms
from ...events import Final, Partial
from ..common import json_fields, options
from ..common.turns import TimedWord, mean_confidence, timed

_VERSION = "2"
_DURATION = re.compile(r"PT(\d{1,7}(?:\.\d{1,9})?)S", re.ASCII)


class Envelope:
    """
    The message envelopes of one session.

    Both sides number their messages from 1 without gaps, and acknowledge the last number of the other side.
    """

    def __init__(self, session: str) -> None:
        """`session`: id from the request's header; if empty, the id of the first message is used."""
        self.session = session
        self._heard = 0
        self._said = 0

    def opens(self, body: Mapping[str, Any]) -> tuple[str, tuple[BridgeWarning, ...]]:
        """
        Open an envelope.  Returns the type of the message, and a warning if messages before it are missing.

        Raises UnreadableError when the envelope is not of this protocol or this session.
        """
        if body.get("version") != _VERSION:
            raise UnreadableError(f"version must be {_VERSION!r}")
        session, kind = json_fields.kind(body, "id"), json_fields.kind(body, "type")
        if self.session not in ("", session):
            raise UnreadableError("id must be the id of the session")
        seq, due = options.whole_or_none(body.get("seq")), self._heard + 1
        self.session, self._heard = session, due if seq is None else seq
        if seq == due:
            return kind, ()
        text = (
            f"seq {seq} received, {due} expected"
            if seq is not None
            else "seq must be a whole number"
        )
        return kind, (BridgeWarning(WarningCode.BAD_MESSAGE, text),)

    def seal(self, kind: str, parameters: Mapping[str, Any]) -> str:
        """Our next message of type `kind`, as JSON."""
        self._said += 1
        message = {
            "version": _VERSION,
            "type": kind,
            "seq": self._said,
            "clientseq": self._heard,
            "id": self.session,
            "parameters": parameters,
        }
        return msgspec.json.encode(message).decode()


def samples_of(duration: str) -> int:
    """Samples of the call clock in a duration such as `PT1.25S`.  Raises DialectError for any other text."""
    said = _DURATION.fullmatch(duration)
    if said is None:
        raise DialectError("a duration must look like PT1.25S")
    return from_seconds(float(said[1]))


def duration_of(samples: int) -> str:
    """The duration of `samples` samples of the call clock, such as `PT1.25S`, in whole milliseconds."""
    seconds, milliseconds = divmod(to_ms(samples), 1_000)
    fraction = f".{milliseconds:03}".rstrip("0") if milliseconds else ""
    return f"PT{seconds}{fraction}S"


def transcript(session: str, language: str, event: Partial | Final) -> dict[str, Any]:
    """The transcript entity of a partial or final; all versions of a segment have the same id."""
    words = timed(event.words, event.span)
    confidence = round(mean_confidence(words), 4)
    text = " ".join(word.text for word in words)
    tokens = [_token(word, language) for word in words]
    interpretation = {"type": "display", "transcript": text, "tokens": tokens}
    return {
        "type": "transcript",
        "data": {
            "id": str(uuid5(NAMESPACE_URL, f"audiohook:{session}:{event.segment}")),
            "channelId": event.segment.channel,
            "isFinal": isinstance(event, Final),
            "offset": duration_of(event.span.start),
            "duration": duration_of(event.span.end - event.span.start),
            "alternatives": [
                {
                    "confidence": confidence,
                    "languages": [language],
                    "interpretations": [interpretation],
                }
            ],
        },
    }


def _token(word: TimedWord, language: str) -> dict[str, Any]:
    return {
        "type": "word",
        "value": word.text,
        "confidence": word.confidence,
        "offset": duration_of(word.start),
        "duration": duration_of(max(0, word.end - word.start)),
        "language": language,
    }
