"""The dialect of each URL path.  A new dialect is one line here."""

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
    """The paths at which bridges may connect."""
    return tuple(_DIALECTS)


def serves(path: str) -> bool:
    """Whether a bridge may connect at `path`; a slash at the end is ignored."""
    return path.rstrip("/") in _DIALECTS


def open_dialect(request: Request) -> Dialect:
    """Create the dialect for one connection.  Raises KeyError when no dialect has this path."""
    return _DIALECTS[request.path.rstrip("/")](request)
