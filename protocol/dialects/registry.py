"""Which dialect is spoken where.  A new bridge is one line here."""

from collections.abc import Callable

from .assemblyai import AssemblyAI
from .asterisk import Asterisk
from .audiohook.dialect import AudioHook
from .base import Dialect, Request
from .deepgram.live import Deepgram
from .freeswitch import FreeSwitch
from .jambonz import Jambonz
from .media_streams.twilio import MediaStreams
from .media_streams.vendors import EXOTEL, PLIVO, SIGNALWIRE, TELNYX, TWILIO
from .native import Native
from .openai.realtime import OpenAI
from .vonage import Vonage

_DIALECTS: dict[str, Callable[[Request], Dialect]] = {
    "/v1/calls": Native,
    "/v1/listen": Deepgram,
    "/v3/ws": AssemblyAI,
    "/v1/realtime": OpenAI,
    "/twilio": lambda request: MediaStreams(request, TWILIO),
    "/signalwire": lambda request: MediaStreams(request, SIGNALWIRE),
    "/telnyx": lambda request: MediaStreams(request, TELNYX),
    "/plivo": lambda request: MediaStreams(request, PLIVO),
    "/exotel": lambda request: MediaStreams(request, EXOTEL),
    "/asterisk": Asterisk,
    "/audiohook": AudioHook,
    "/freeswitch": FreeSwitch,
    "/jambonz": Jambonz,
    "/vonage": Vonage,
}


def paths() -> tuple[str, ...]:
    """Where bridges may connect."""
    return tuple(_DIALECTS)


def serves(path: str) -> bool:
    """Whether a bridge may connect there; a slash at the end does not matter."""
    return path.rstrip("/") in _DIALECTS


def open_dialect(request: Request) -> Dialect:
    """A dialect for one connection.  KeyError when nothing is served there."""
    return _DIALECTS[request.path.rstrip("/")](request)
