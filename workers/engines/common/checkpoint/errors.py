"""The error of model folders."""

from ...errors import EngineError


class CheckpointError(EngineError):
    """The model cannot be used.  One line for the operator, which names the file and the reason."""
