"""Errors that an operator must correct."""


class OperatorError(Exception):
    """The text says what to do.  The command line prints it without a traceback."""
