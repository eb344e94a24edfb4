"""Collects the messages of the live dialect for a recording, from which the answers of the file APIs are made."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ..base import Message


class LiveResults:
    """What the live dialect has sent for one recording."""

    def __init__(self) -> None:
        self.fault: str | None = None
        """The error in the request, if there was one."""

        self.finals: list[dict[str, Any]] = []
        """
        The `Results` messages that are final, in the order in which they came.

        A later one of the same segment takes the place of the earlier one: it shows less, because words behind it
        made its digits part of a number that must not be shown.
        """

        self.metadata: dict[str, Any] | None = None
        """The last message; None until it has come."""

        self._begun = 0
        self._places: dict[str, int] = {}
        """The place of each segment in `finals`."""

    @property
    def unfinished(self) -> int:
        """Number of segments that have begun and have no final yet."""
        return max(0, self._begun - len(self.finals))

    @property
    def complete(self) -> bool:
        """Whether the live dialect has sent its last message."""
        return self.metadata is not None

    @property
    def played_ms(self) -> int:
        """Length of the audio according to the last message; 0 until it has come."""
        return round(1_000 * self.metadata["duration"]) if self.metadata else 0

    def apply(self, message: Message) -> None:
        """Add one message of the live dialect."""
        said: dict[str, Any] = msgspec.json.decode(message)
        match said["type"]:
            case "SpeechStarted":
                self._begun += 1
            case "Results" if said["is_final"]:
                self._take(said)
            case "Metadata":
                self.metadata = said
            case "Error":
                self.fault = said["description"]
            case _:
                pass

    def _take(self, final: dict[str, Any]) -> None:
        segment = final.get("x", {}).get("segment_id")
        if segment in self._places:
            self.finals[self._places[segment]] = final
            return
        if segment is not None:
            self._places[segment] = len(self.finals)
        self.finals.append(final)


def best_of(final: Mapping[str, Any]) -> dict[str, Any]:
    """The first alternative of a `Results` message."""
    best: dict[str, Any] = final["channel"]["alternatives"][0]
    return best


def text_of(final: Mapping[str, Any]) -> str:
    """The transcript of a `Results` message."""
    return str(best_of(final)["transcript"])
