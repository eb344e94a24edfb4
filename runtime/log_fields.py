"""
The fields that a log line may have: a list of permitted names.  Texts of library errors are never logged.

Customer content (speech, keywords, numbers, raw messages) must never reach a log.  A list of permitted fields
also protects against fields that are added later; a list of forbidden fields would not.
"""

import logging
import re
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

FIELDS = frozenset(
    {
        "event", "level", "timestamp", "part", "call_id", "segment", "outcome", "dialect", "channel", "channels",
        "segments", "seconds", "waited_ms", "engine_ms", "error", "reason", "remedy", "instead", "host", "port",
        "path", "outbox", "entry", "entries", "events", "engine", "name", "status", "unsettled", "code",
        "silent_seconds", "process", "again_in_seconds", "permit", "keys", "signers", "library", "where", "dropped",
    }
)  # fmt: skip
"""
Ids, counts, times, our own addresses and names from the code.

`reason` and `remedy` are our own sentences for operators; `error` is the class name of an error, never its text.
"""

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")

Line = MutableMapping[str, Any]


class FieldNotAllowedError(Exception):
    """A log line has a field that is not in `FIELDS`, or a bad event name.  Raised in tests only."""


def only_allowed(_logger: object, _method: str, line: Line) -> Line:
    """Structlog processor: remove fields that are not in `FIELDS`, and list their names in `dropped`."""
    strange = sorted(set(line) - FIELDS)
    for name in strange:
        del line[name]
    if strange:
        line["dropped"] = strange
    if not _is_event(line):
        line["event"] = "event_without_name"
    return line


def refuse_others(_logger: object, _method: str, line: Line) -> Line:
    """Structlog processor for tests: raise FieldNotAllowedError for fields that are not in `FIELDS`."""
    if strange := sorted(set(line) - FIELDS):
        raise FieldNotAllowedError(
            f"{', '.join(strange)}: not a permitted log field; see runtime/log_fields.py before you add it"
        )
    if not _is_event(line):
        raise FieldNotAllowedError(
            "a log event must be a constant name in lower case, never call content"
        )
    return line


class LibraryLines(logging.Handler):
    """
    Log records of libraries without their text, because library messages and errors may quote customer content.

    The name of the library, the level, the error class and the source position are enough to find the cause.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log one `logging` record as an event of ours."""
        _, error, trace = record.exc_info or (None, None, None)
        log = structlog.get_logger()
        log.log(
            max(record.levelno, logging.WARNING),
            "library_complained",
            library=record.name,
            error=_name(error) if error else "none",
            where=_place(trace) or f"{record.module}:{record.lineno}",
        )


def crashed(_: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log an unexpected error for `sys.excepthook`: its class and source position, not its text."""
    structlog.get_logger().critical("crashed", error=_name(error), where=_place(trace))


def _name(error: BaseException) -> str:
    """Return the class name; for an exception group also the names of its members."""
    if isinstance(error, BaseExceptionGroup):
        return f"{type(error).__name__}({', '.join(_name(one) for one in error.exceptions)})"
    return type(error).__name__


def _is_event(line: Line) -> bool:
    event = line.get("event")
    return isinstance(event, str) and _EVENT.fullmatch(event) is not None


def _place(trace: TracebackType | None) -> str:
    """The innermost frames, outermost first: files, lines and functions only."""
    frames = traceback.extract_tb(trace)[-4:]
    return " > ".join(
        f"{one.filename.rsplit('/', 1)[-1]}:{one.lineno}:{one.name}" for one in frames
    )
