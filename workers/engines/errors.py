"""The errors of engines, for modules that must not import numpy."""

from protocol.operator_error import OperatorError


class EngineError(OperatorError):
    """The engine cannot transcribe this utterance, and a retry would not help.  The text is for operators."""


class EngineBrokenError(Exception):
    """The engine no longer works at all: the process must be restarted."""
