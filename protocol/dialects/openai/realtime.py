"""
OpenAI's realtime transcription API, for existing clients.

https://developers.openai.com/api/docs/guides/realtime-transcription The gateway sends `session.created` before the
first message of the client.  Clients concatenate deltas, which cannot be withdrawn, so deltas carry only stable
words; `completed` has the final text.  One channel.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from ...bridge_events import (
    BridgeEvent,
    CallOpened,
    CodedAudio,
    DialectError,
    EarlyError,
    FinalizeRequested,
    KeywordsChanged,
    MarkReceived,
    UnreadableError,
)
from ...calls.call import CallConfig, Keywords
from ...calls.keywords import CleanKeywords
from ...calls.text_form import AS_WRITTEN
from ...events import Entry
from ..base import Message, Request
from ..common import call_parameters, json_fields
from ..common.deinterleave import Interleaved
from .responses import OpenAIResponses
from .session import PCM, SessionUpdate, session_update_of


class _Append(msgspec.Struct, frozen=True, tag_field="type", tag="input_audio_buffer.append"):
    audio: bytes


_APPEND = msgspec.json.Decoder(_Append)


class OpenAI:
    """One connection: one transcription session."""

    name: ClassVar[str] = "openai"

    def __init__(self, request: Request) -> None:
        self._request = request
        self._audio: Interleaved | None = None
        self._is_early = False
        self._keywords: CleanKeywords | None = None
        self._answers = OpenAIResponses(request.own_id)
        self._answers.session("session.created", {})

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect.  Errors of the client are also reported in-band."""
        try:
            return self._understand(message)
        except EarlyError:
            raise
        except DialectError as exc:
            self._answers.error(str(exc), "invalid_value")
            raise

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        if self._audio is None or isinstance(message, bytes):
            return None
        body = json_fields.decoded(_APPEND, message)
        return None if body is None else self._audio.coded(body.audio)

    def report_error(self, error: str, reason: str) -> None:
        """Send an `error` before the connection is closed; a bad message was answered when it came."""
        if error != "bad_message":
            self._answers.error(reason, error)

    def opened(self, call_id: str) -> None:
        """Do nothing: the session has an id of its own."""

    def notify(self, entry: Entry) -> None:
        """Send items and their transcripts."""
        self._answers.notify(entry)

    def outbox(self) -> list[Message]:
        """See Dialect."""
        return [*self._answers.take()]

    def _understand(self, message: Message) -> list[BridgeEvent]:
        body = json_fields.parse(message)
        match json_fields.kind(body, "type"):
            case "session.update" | "transcription_session.update":
                return self._update(json_fields.member(body, "session"))
            case "input_audio_buffer.append":
                return self._append(body)
            case "input_audio_buffer.commit":
                return self._commit()
            case "input_audio_buffer.clear":
                self._answers.cleared()
                return []
            case unknown:
                self._answers.error(f"unknown event {unknown[:48]!r}", "unknown_event")
                return []

    def _update(self, session: Mapping[str, Any]) -> list[BridgeEvent]:
        """The first update opens the call; later ones may change keywords and turn detection."""
        kind = session.get("type")
        if isinstance(kind, str) and kind not in ("", "transcription"):
            raise DialectError("only sessions of type transcription are supported")
        update = session_update_of(session)
        if self._audio is None:
            events = self._open(update)
        elif update.format not in (None, self._audio.format):
            raise DialectError("the audio format cannot change once the session has begun")
        else:
            events = [*self._change(update), *update.warnings]
        if update.manual is not None:
            self._answers.manual = update.manual
        self._answers.session("session.updated", {"audio": session.get("audio")})
        return events

    def _open(self, update: SessionUpdate) -> list[BridgeEvent]:
        asked = call_parameters.parse_parameters(self._request.query)
        audio = Interleaved(update.format or PCM)
        keywords = update.keywords or CleanKeywords(
            asked.config.keywords.terms, asked.rejected_keywords
        )
        opened = CallOpened(
            call_id=asked.call_id,
            roles=(call_parameters.role_of(self._request.query),),
            rate=audio.format.rate,
            encoding=audio.encoding,
            config=CallConfig(
                language=update.language or asked.config.language,
                keywords=Keywords(keywords.terms),
                hangover_ms=asked.config.hangover_ms,
                form=AS_WRITTEN,  # as OpenAI's models write
            ),
            rejected_keywords=keywords.rejected,
            warnings=(*update.warnings, *asked.warnings),
        )
        self._audio, self._keywords = audio, keywords
        return [opened]

    def _change(self, update: SessionUpdate) -> list[BridgeEvent]:
        if update.keywords is None or update.keywords == self._keywords:
            return []
        self._keywords = update.keywords
        return [KeywordsChanged(update.keywords.terms, update.keywords.rejected)]

    def _append(self, body: Mapping[str, Any]) -> list[BridgeEvent]:
        payload = json_fields.payload(body, "audio")
        if self._audio is None:
            self._is_early = True
            raise EarlyError("audio before session.update")
        return [*self._audio.receive(payload)]

    def open_late(self) -> list[BridgeEvent]:
        """Open the call with default values, for a client that sends no update."""
        return self._open(SessionUpdate())

    def _commit(self) -> list[BridgeEvent]:
        if self._audio is None and self._is_early:
            raise EarlyError("commit before session.update")
        if self._audio is None:
            raise UnreadableError("there is nothing to commit: no audio was received")
        events: list[BridgeEvent] = [FinalizeRequested()]
        return (
            [*events, MarkReceived(self._answers.committed())] if self._answers.manual else events
        )
