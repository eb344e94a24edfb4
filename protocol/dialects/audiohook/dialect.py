"""
Genesys Cloud AudioHook, protocol version 2.

https://developer.genesys.cloud/devapps/audiohook/protocol-reference The client opens and closes the session.  The
gateway answers, numbers its messages without gaps, and sends transcripts as events.  A position is the amount of
delivered audio plus the amount of discarded audio.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto
from typing import Any, ClassVar

from msgspec import structs

from ...audio import AudioFormat, Encoding
from ...bridge_events import (
    AudioReceived,
    AudioSkipped,
    BridgeEvent,
    CallClosed,
    CallOpened,
    CodedAudio,
    DialectError,
    EarlyError,
    FinalizeRequested,
    LanguageChanged,
    UnreadableError,
)
from ...calls import call
from ...calls.call import Role
from ...events import Account, CallEnded, Entry, Final, Partial
from ..base import Message, Request
from ..common import call_parameters, json_fields, locales, options
from ..common.deinterleave import Interleaved
from ..common.options import Options
from .messages import Envelope, samples_of, transcript

_ROLES = {"external": Role.CUSTOMER, "internal": Role.AGENT}
_NULL_ID = "00000000-0000-0000-0000-000000000000"

_Parameters = Mapping[str, Any]


class SessionState(Enum):
    """State of the session; owned by `AudioHook`."""

    NEW = auto()
    OPEN = auto()
    PROBED = auto()
    """The client tests the connection: all messages are answered, audio is ignored."""

    CLOSING = auto()
    """The gateway waits for the last finals, then sends `closed`."""

    REFUSED = auto()
    """The gateway has sent `disconnect` and waits for the client's `close`."""

    CLOSED = auto()


class AudioHook:
    """One connection: one session, with one or both sides of a call."""

    name: ClassVar[str] = "audiohook"

    def __init__(self, request: Request) -> None:
        self._state = SessionState.NEW
        self._envelope = Envelope(dict(request.headers).get("audiohook-session-id", ""))
        self._audio = Interleaved(AudioFormat())
        self._skipped = 0
        self._language = "en-US"
        self._known = request.languages
        self._partials = True
        self._shown: set[str] = set()
        self._out: list[Message] = []

    def receive(self, message: Message) -> list[BridgeEvent]:
        """See Dialect."""
        if self._state is SessionState.REFUSED:
            self._part(message)
        if self._state in (SessionState.CLOSING, SessionState.CLOSED, SessionState.REFUSED):
            return []
        return self._understand(message)

    @property
    def has_parted(self) -> bool:
        """Whether the client has answered a refusal with `close`, and `closed` was sent."""
        return self._state is SessionState.CLOSED

    def report_error(self, error: str, reason: str) -> None:
        """Send `disconnect`: the client then sends `close`, and waits ten seconds for `closed`."""
        self._state = SessionState.REFUSED
        info = reason if error == "bad_message" else f"{error}: {reason}"
        self._say("disconnect", {"reason": "error", "info": info})

    def opened(self, call_id: str) -> None:
        """Do nothing: the client chose the id of the conversation."""

    def notify(self, entry: Entry) -> None:
        """Send transcripts, and the end of the session."""
        match entry.event:
            case Partial(segment=segment, words=words) if words and self._partials:
                self._shown.add(str(segment))
                self._transcribe(entry.event)
            case Final(segment=segment, words=words) if words or str(segment) in self._shown:
                self._shown.discard(str(segment))
                self._transcribe(entry.event)
            case CallEnded() if self._state is SessionState.CLOSING:
                self._state = SessionState.CLOSED
                self._say("closed", {})
            case _:
                pass

    def audio(self, message: Message) -> Sequence[CodedAudio] | None:
        """See PlainAudio."""
        if self._state is not SessionState.OPEN:
            return None
        position = self._audio.heard + self._skipped
        heard = self._audio.plain(message)
        return heard and [structs.replace(one, position=position) for one in heard]

    def outbox(self) -> list[Message]:
        """See Dialect."""
        out, self._out = self._out, []
        return out

    def _understand(self, message: Message) -> list[BridgeEvent]:
        if isinstance(message, bytes):
            return self._feed(message)
        body = json_fields.parse(message)
        kind, warnings = self._envelope.opens(body)
        if self._state is SessionState.NEW and kind != "open":
            raise UnreadableError(f"{kind[:32]} before open")
        understood = _UNDERSTOOD.get(kind)
        events = understood(self, _parameters(body)) if understood else []
        if events and isinstance(events[0], CallOpened):
            return [replace(events[0], warnings=(*warnings, *events[0].warnings)), *events[1:]]
        return [*warnings, *events] if self._state is SessionState.OPEN else events

    def _part(self, message: Message) -> None:
        """After a refusal only `close` is answered; errors in its envelope are ignored."""
        if not isinstance(message, bytes) and json_fields.parse(message).get("type") == "close":
            with contextlib.suppress(DialectError):
                self._envelope.opens(json_fields.parse(message))
            self._state = SessionState.CLOSED
            self._say("closed", {})

    def _feed(self, frame: bytes) -> list[BridgeEvent]:
        if self._state is SessionState.NEW:
            raise EarlyError("audio before open")
        if self._state is not SessionState.OPEN:
            return []
        position = self._audio.heard + self._skipped
        return [
            AudioReceived(event.channel, event.pcm, position)
            for event in self._audio.receive(frame)
        ]

    def _open(self, parameters: _Parameters) -> list[BridgeEvent]:
        if self._state is not SessionState.NEW:
            raise DialectError("a second open: one connection carries one session")
        asked = Options(parameters)
        conversation = json_fields.call_id(parameters, "conversationId")
        participant = asked.read("participant", options.object_of, {})
        if conversation == _NULL_ID and participant.get("id") == _NULL_ID:
            self._state = SessionState.PROBED
            self._say("opened", {"media": [], **self._languages(asked)})
            return []
        media = _choice(parameters.get("media"))
        opened = self._call(asked, conversation, media["channels"])
        self._audio = Interleaved(AudioFormat(channels=len(media["channels"])))
        self._state = SessionState.OPEN
        self._say("opened", {"media": [media], **self._languages(asked)})
        return [opened]

    def _languages(self, asked: Options) -> dict[str, list[str]]:
        """The languages that can be transcribed now, if the client asks for them."""
        if not asked.read("supportedLanguages", options.boolean, default=False):
            return {}
        return {"supportedLanguages": locales.tags(self._known) or locales.tags(["en"])}

    def _call(self, asked: Options, conversation: str | None, channels: list[str]) -> CallOpened:
        wished = asked.read("customConfig", options.object_of, {})
        language = asked.read("language", _tag, "en-US")
        said = call_parameters.parse_parameters(
            [("language", language), *call_parameters.strings(wished)], _ROLES
        )
        self._language, self._partials = language, said.config.partials
        roles = tuple(said.roles[channel] for channel in channels)
        return said.open(
            conversation,
            roles,
            8_000,
            Encoding.MULAW.value,
            warnings=asked.warnings,
            expected="conversationId",
        )

    def _ping(self, _: _Parameters) -> list[BridgeEvent]:
        self._say("pong", {})
        return []

    def _update(self, parameters: _Parameters) -> list[BridgeEvent]:
        """A new language: the open segments are cut here."""
        asked = Options(parameters)
        before, self._language = self._language, asked.read("language", _tag, self._language)
        self._say("updated", {})
        cut = [*self._cut(parameters), *asked.warnings]
        if self._state is not SessionState.OPEN or before == self._language:
            return cut
        return [*cut, LanguageChanged(call.language(self._language))]

    def _cut(self, _: _Parameters) -> list[BridgeEvent]:
        return [FinalizeRequested()] if self._state is SessionState.OPEN else []

    def _discarded(self, parameters: _Parameters) -> list[BridgeEvent]:
        """Audio that the bridge has discarded: the call clock advances without it."""
        return self._skip(parameters, Account.LOST_UPSTREAM, "discarded by the bridge")

    def _resumed(self, parameters: _Parameters) -> list[BridgeEvent]:
        """The end of a pause, whose audio was not sent."""
        return self._skip(parameters, Account.PAUSED, "paused by the bridge")

    def _skip(self, parameters: _Parameters, account: Account, reason: str) -> list[BridgeEvent]:
        samples = samples_of(json_fields.text(parameters, "discarded"))
        if self._state is not SessionState.OPEN or not samples:
            return []
        self._skipped += samples
        return [AudioSkipped(samples, account, reason)]

    def _close(self, _: _Parameters) -> list[BridgeEvent]:
        if self._state is SessionState.PROBED:
            self._state = SessionState.CLOSED
            self._say("closed", {})
            return []
        self._state = SessionState.CLOSING
        return [CallClosed()]

    def _transcribe(self, event: Partial | Final) -> None:
        entity = transcript(self._envelope.session, self._language, event)
        self._say("event", {"entities": [entity]})

    def _say(self, kind: str, parameters: _Parameters) -> None:
        self._out.append(self._envelope.seal(kind, parameters))


_UNDERSTOOD: dict[str, Callable[[AudioHook, _Parameters], list[BridgeEvent]]] = {
    "open": AudioHook._open,
    "ping": AudioHook._ping,
    "update": AudioHook._update,
    "discarded": AudioHook._discarded,
    "paused": AudioHook._cut,
    "resumed": AudioHook._resumed,
    "close": AudioHook._close,
}


def _parameters(body: Mapping[str, Any]) -> _Parameters:
    return json_fields.member(body, "parameters") if "parameters" in body else {}


def _tag(value: object) -> str:
    """A valid language tag, unchanged."""
    options.language(value)
    return value if isinstance(value, str) else options.language(value)


def _choice(offered: object) -> dict[str, Any]:
    """The mu-law entry of `offered` with the most channels, unchanged, as the protocol requires in the answer."""
    if not isinstance(offered, list):
        raise DialectError("media must be a list")
    usable = [media for media in offered if isinstance(media, dict) and _is_usable(media)]
    if not usable:
        raise DialectError("media must offer PCMU at 8000 Hz, channels external, internal or both")
    return max(usable, key=lambda media: len(media["channels"]))


def _is_usable(media: Mapping[str, Any]) -> bool:
    channels = media.get("channels")
    return (
        media.get("type") == "audio"
        and media.get("format") == "PCMU"
        and media.get("rate") == 8_000
        and isinstance(channels, list)
        and 0 < len(channels) <= len(_ROLES)
        and all(isinstance(channel, str) and channel in _ROLES for channel in channels)
        and len(set(channels)) == len(channels)
    )
