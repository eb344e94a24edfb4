"""Whose audio is kept."""

from dataclasses import dataclass

from ..tenants import tenant

_ALL = "*"


@dataclass(frozen=True, slots=True)
class AudioPolicy:
    """The tenants whose calls' audio is kept. The default is nobody."""

    keeps_all: bool = False
    kept: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    @property
    def keeps_any(self) -> bool:
        """Whether the audio of any call is kept."""
        return self.keeps_all or bool(self.kept)

    def keeps(self, owner: str) -> bool:
        """Return whether audio of the tenant `owner` is kept; the empty name: a site without tenants."""
        return owner not in self.excluded and (self.keeps_all or owner in self.kept)


def read_audio_policy(text: str) -> AudioPolicy:
    """Read tenants separated by commas: `*` for all, `-NAME` to exclude one. Raises ValueError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    kept = frozenset(tenant(one) for one in names if one != _ALL and not one.startswith("-"))
    excluded = frozenset(tenant(one[1:]) for one in names if one.startswith("-"))
    if excluded and _ALL not in names:
        raise ValueError("a tenant can be excluded (-NAME) only from all: *,-NAME")
    return AudioPolicy(_ALL in names, kept, excluded)
