"""
What may stand in a log line: only fields that are listed here, and of other people's errors only where they arose.

Customer content (what was said, keywords, numbers, raw messages) never reaches a log.  A list of what is allowed
keeps that promise for fields that nobody has thought of yet; a list of what is forbidden would not.
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
        "silent_seconds", "again_in_seconds", "permit", "keys", "signers", "library", "where", "dropped",
    }
)  # fmt: skip
"""
Ids, counts, times, addresses of ours, and words of the code.

`reason` and `remedy` are sentences of ours for operators; `error` is the name of an error, never its text.
"""

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")

Line = MutableMapping[str, Any]


class FieldNotAllowedError(Exception):
    """Something would have been logged that is not on the list: in tests nobody may overlook it."""


def only_allowed(_logger: object, _method: str, line: Line) -> Line:
    """Leave out what is not on the list; its names, which are words of the code, are told."""
    strange = sorted(set(line) - FIELDS)
    for name in strange:
        del line[name]
    if strange:
        line["dropped"] = strange
    if not _is_event(line):
        line["event"] = "event_without_name"
    return line


def refuse_others(_logger: object, _method: str, line: Line) -> Line:
    """As `only_allowed`, but whoever logs something else finds out at once."""
    if strange := sorted(set(line) - FIELDS):
        raise FieldNotAllowedError(
            f"{', '.join(strange)}: no field of a log line; see runtime/log_fields.py before you add one"
        )
    if not _is_event(line):
        raise FieldNotAllowedError(
            "an event is a constant name in lower case: content goes nowhere"
        )
    return line


class LibraryLines(logging.Handler):
    """
    What libraries log, without its text: messages and errors of others may quote what they were given.

    Library, level, name of the error and the place in the code are enough to look it up.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record of the standard library's logging in our own form."""
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
    """For `sys.excepthook`: an error that nobody expected is told by its name and place, not by its text."""
    structlog.get_logger().critical("crashed", error=_name(error), where=_place(trace))


def _name(error: BaseException) -> str:
    """Of a group, what is in it too."""
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
