"""
Deepgram's live API, for existing clients, which need to change only the URL.

https://developers.deepgram.com/reference/speech-to-text/listen-streaming
The call begins with the first message.  All its parameters are in the query string.
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
    CodedAudio,
    DialectError,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
    WarningCode,
)
from ...calls.keywords import MOST_TERMS, clean
from ...clock import CALL_RATE
from ...events import CallEnded, CallWarning, Entry
from ..base import Message, Request
from ..common import json_fields
from ..common.codec_stream import Compressed
from ..common.deinterleave import Interleaved
from ..common.options import Options
from .query import Listening, understand
from .responses import Answer, DeepgramResponses


class _Stream:
    """The state of a connection after its query string was parsed."""

    def __init__(self, listening: Listening, *, recorded: bool) -> None:
        self.listening = listening
        self.audio = (
            Interleaved(listening.audio)
            if listening.codec is None
            else Compressed(listening.codec, listening.audio.channels)
        )
        self.answers = DeepgramResponses(listening, recorded=recorded)
        self.sha256 = hashlib.sha256()
        self.began = 0
        """Position of the call, on the call clock, when this connection took it over."""

    @property
    def channels(self) -> int:
        return len(self.listening.opened.roles)

    @property
    def position(self) -> int:
        """Position of the audio in samples of the call clock."""
        return self.began + self.audio.heard * CALL_RATE // self.audio.format.rate

    def feed(self, frame: bytes) -> list[BridgeEvent]:
        """Add a frame of audio; channels are mixed unless the client asked for separate ones."""
        self.sha256.update(frame)
        apart = self.channels == self.audio.format.channels
        if isinstance(self.audio, Compressed):
            return [replace(one, mixed=not apart) for one in self.audio.receive(frame)]
        heard = self.audio.receive(frame)
        if apart or not heard:
            return [*heard]
        mixed = np.mean([audio.pcm for audio in heard], axis=0).astype(np.int16)
        return [AudioReceived(0, mixed)]

    def plain(self, message: Message) -> Sequence[CodedAudio] | None:
        """The audio of a frame as `PlainAudio`; channels that must be mixed are not plain."""
        if isinstance(message, str) or isinstance(self.audio, Compressed):
            return None
        if self.channels != self.audio.format.channels:
            return None
        if (heard := self.audio.plain(message)) is not None:
            self.sha256.update(message)
        return heard


class Deepgram:
    """One connection: one live transcription."""

    name: ClassVar[str] = "deepgram"

    def __init__(self, request: Request, *, recorded: bool = False) -> None:
        """`recorded`: the audio is a recording that the gateway plays, not a live stream."""
        self._request = request
        self._recorded = recorded
        self._opened: _Stream | None = None
        self._closed = False
        self._out: list[Message] = []

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if self._closed:
            return []
        if self._opened is not None:
            return self._understand(self._opened, message)
        stream = _Stream(understand(self._request), recorded=self._recorded)
        events = self._understand(stream, message)
        self._opened = stream
        opened = stream.listening.opened
        config = replace(opened.config, recorded=self._recorded)
        return [replace(opened, config=config), *events]

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        if self._opened is None or self._closed or self._opened.answers.waits_for_clock:
            return None
        return self._opened.plain(message)

    def report_error(self, error: str, reason: str) -> None:
        """Send an `Error` message before the connection is closed."""
        variant = "BadRequest" if error == "bad_message" else error.upper()
        self._say({"type": "Error", "variant": variant, "description": reason})

    def opened(self, call_id: str) -> None:
        """Use the call id as Deepgram's `request_id`."""
        if self._opened is not None:
            self._opened.answers.request_id = call_id

    def continued(self, past: Sequence[Entry], position: int) -> None:
        """Take over the earlier state of the call, for the closing `Metadata` and for `UtteranceEnd`."""
        if self._opened is not None:
            self._opened.began = position
            self._opened.answers.recall(past)

    def notify(self, entry: Entry) -> None:
        """Send results, and the messages that belong to them."""
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
        """See Dialect."""
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
        """A frame of audio.  An empty frame is not the end: it requests finals for the audio so far."""
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
        """Answer a Configure exactly once: a failure at once, a success when the new list is in effect."""
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
