"""The gateway's reads and writes in Redis for one call."""

from .errors import GoingAwayError, LogLostError, OverloadedError, SupersededError
from .store import CallStore
from .writes import AUDIO_TTL, Missing

__all__ = [
    "AUDIO_TTL",
    "CallStore",
    "GoingAwayError",
    "LogLostError",
    "Missing",
    "OverloadedError",
    "SupersededError",
]
