"""The place of a process in its group, which the parent passes in the environment."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

VARIABLE = "TRUNKLINE_GROUP"
"""Environment variable with the place, as JSON."""


class GroupPlace(msgspec.Struct, frozen=True):
    """The place of one process among the processes of a group."""

    number: int
    """Number of the process, from 0.  A process that is restarted keeps it."""

    count: int
    """Number of processes."""

    folder: str
    """Private folder of the group, with the Unix sockets on which its processes reach each other."""

    ports: Mapping[str, int] = {}
    """Ports that the parent has reserved, by the name of their setting."""

    @property
    def environment(self) -> dict[str, str]:
        """The variable for the environment of the process."""
        return {VARIABLE: msgspec.json.encode(self).decode()}

    @property
    def status_socket(self) -> Path:
        """Where this process answers for itself: metrics and health."""
        return self.status_of(self.number)

    @property
    def group_socket(self) -> Path:
        """Where the parent answers for the whole group: metrics and health."""
        return Path(self.folder) / "group.status"

    def status_of(self, number: int) -> Path:
        """Where the process with this number answers for itself."""
        return Path(self.folder) / f"{number}.status"

    def calls_of(self, number: int) -> Path:
        """Where the process with this number takes streams of joined calls from the others."""
        return Path(self.folder) / f"{number}.calls"


def place_in(environment: Mapping[str, str]) -> GroupPlace | None:
    """Return the place of this process; None if it belongs to no group."""
    text = environment.get(VARIABLE)
    return msgspec.json.decode(text, type=GroupPlace) if text else None
