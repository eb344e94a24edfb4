"""
Deepgram's live API, as existing clients speak it: they change one URL.

https://developers.deepgram.com/reference/speech-to-text/listen-streaming
The call begins with the first message; everything about it stands in the query string.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import numpy as np

from ...bridge_events import (
    AudioReceived,
    BridgeEvent,
    CallClosed,
    DialectError,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
    WarningCode,
)
from ...clock import CALL_RATE
from ...events import CallEnded, CallWarning, Entry
from ...keywords import MOST_TERMS, clean
from ..base import Message, Request
from ..common import json_fields
from ..common.codec_stream import Compressed
from ..common.deinterleave import Interleaved
from ..common.options import Options
from .query import Listening, understand
from .responses import Answer, Answers


class _Stream:
    """What there is once the query string is understood."""

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        self.audio = (
            Interleaved(listening.audio)
            if listening.codec is None
            else Compressed(listening.codec, listening.audio.channels)
        )
        self.answers = Answers(listening)
        self.sha256 = hashlib.sha256()
        self.began = 0
        """Where the call stood when this connection took it up, on its clock."""

    @property
    def channels(self) -> int:
        return len(self.listening.opened.roles)

    @property
    def position(self) -> int:
        """Samples of the call clock so far."""
        return self.began + self.audio.heard * CALL_RATE // self.audio.format.rate

    def feed(self, frame: bytes) -> list[BridgeEvent]:
        """Channels that the client does not want apart are mixed."""
        self.sha256.update(frame)
        apart = self.channels == self.audio.format.channels
        if isinstance(self.audio, Compressed):
            return [replace(one, mixed=not apart) for one in self.audio.receive(frame)]
        heard = self.audio.receive(frame)
        if apart or not heard:
            return [*heard]
        mixed = np.mean([audio.pcm for audio in heard], axis=0).astype(np.int16)
        return [AudioReceived(0, mixed)]


class Deepgram:
    """One live transcription."""

    name: ClassVar[str] = "deepgram"

    def __init__(self, request: Request, *, recorded: bool = False) -> None:
        """`recorded`: it is no client that talks, but a recording that is played."""
        self._request = request
        self._recorded = recorded
        self._opened: _Stream | None = None
        self._closed = False
        self._out: list[Message] = []

    def receive(self, message: Message) -> list[BridgeEvent]:
        """What the client means; DialectError for what it may not say."""
        if self._closed:
            return []
        if self._opened is not None:
            return self._understand(self._opened, message)
        stream = _Stream(understand(self._request))
        events = self._understand(stream, message)
        self._opened = stream
        opened = stream.listening.opened
        config = replace(opened.config, recorded=self._recorded)
        return [replace(opened, config=config), *events]

    def report_error(self, error: str, reason: str) -> None:
        """Said in-band before the connection is closed."""
        variant = "BadRequest" if error == "bad_message" else error.upper()
        self._say({"type": "Error", "variant": variant, "description": reason})

    def opened(self, call_id: str) -> None:
        """The id of the call is that of the request."""
        if self._opened is not None:
            self._opened.answers.request_id = call_id

    def continued(self, past: Sequence[Entry], position: int) -> None:
        """What the closing `Metadata` and the ends of utterances refer to."""
        if self._opened is not None:
            self._opened.began = position
            self._opened.answers.recall(past)

    def notify(self, entry: Entry) -> None:
        """Results, and what goes with them."""
        if self._opened is None:
            return
        match entry.event:
            case CallWarning(code=WarningCode.BAD_MESSAGE, message=message):
                self._say({"type": "Error", "variant": "SchemaError", "description": message})
            case _:
                pass
        for answer in self._opened.answers.notify(entry):
            if isinstance(entry.event, CallEnded):
                answer["sha256"] = self._opened.sha256.hexdigest()
            self._say(answer)
        self._check_clock(self._opened)

    def outbox(self) -> list[Message]:
        """What is to be sent now."""
        out, self._out = self._out, []
        return out

    def _say(self, answer: Answer) -> None:
        self._out.append(msgspec.json.encode(answer).decode())

    def _check_clock(self, stream: _Stream) -> None:
        for answer in stream.answers.heard(stream.position):
            self._say(answer)

    def _understand(self, stream: _Stream, message: Message) -> list[BridgeEvent]:
        if isinstance(message, bytes):
            return self._audio(stream, message)
        body = json_fields.parse(message)
        match json_fields.kind(body, "type"):
            case "KeepAlive":
                return []
            case "Finalize":
                return self._finalize(stream, body)
            case "CloseStream":
                self._closed = True
                return [CallClosed()]
            case "Configure":
                return self._configure(stream, body)
            case unknown:
                description = f"unknown type {unknown[:32]!r}"
                self._say({"type": "Error", "variant": "SchemaError", "description": description})
                return []

    def _audio(self, stream: _Stream, frame: bytes) -> list[BridgeEvent]:
        """An empty message is no end: it asks for what is there, as a short pause of the sender would."""
        if not frame:
            return [FinalizeRequested()]
        heard = stream.feed(frame)
        self._check_clock(stream)
        return [*heard]

    def _finalize(self, stream: _Stream, body: Mapping[str, Any]) -> list[BridgeEvent]:
        channel = json_fields.whole(body, "channel") if body.get("channel") is not None else None
        if channel is not None and channel >= stream.channels:
            raise DialectError(f"channel {channel} does not exist: there are {stream.channels}")
        return [FinalizeRequested(channel), MarkReceived(stream.answers.finalize(channel))]

    def _configure(self, stream: _Stream, body: Mapping[str, Any]) -> list[BridgeEvent]:
        """Answered exactly once: with failure at once, with success when the new list is in effect."""
        answers = stream.answers
        if body.get("keyterms") is None:
            self._say(answers.configured())
            return []
        asked = Options(body)
        keyterms = asked.terms("keyterms")
        if asked.warnings:
            self._say(answers.refused("CONFIGURE_INVALID_KEYTERMS", asked.warnings[0].message))
            return []
        if len(keyterms) > MOST_TERMS:
            reason = f"more than {MOST_TERMS} keyterms"
            self._say(answers.refused("CONFIGURE_KEYTERM_LIMIT_EXCEEDED", reason))
            return []
        if not answers.configure():
            reason = "another Configure is not answered yet"
            self._say(answers.refused("CONFIGURE_ALREADY_PENDING", reason))
            return []
        cleaned = clean(keyterms)
        return [KeywordsChanged(cleaned.terms, cleaned.rejected)]
