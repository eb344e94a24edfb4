"""What redaction needs of an engine that finds names and addresses."""

from collections.abc import Sequence
from typing import Protocol

from protocol.operator_error import OperatorError
from protocol.redaction.redactor import Mask


class NamesError(OperatorError):
    """The engine for names cannot be loaded.  The text says what to change."""


class NameFinder(Protocol):
    """Finds names of people and places.  No such engine finds all of them."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639 codes of the languages that it knows."""
        ...

    def find(self, words: Sequence[str], language: str) -> list[Mask]:
        """
        The words that are names (`DataKind.NAME`) or parts of addresses (`DataKind.ADDRESS`).

        Takes some milliseconds: call it in a thread.
        """
        ...
