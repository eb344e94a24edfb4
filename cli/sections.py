"""The sections of the configuration by name.  A settings class is imported when it is needed."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pydantic import BaseModel

    _Class: TypeAlias = type[BaseModel]
else:
    _Class = type

_PARTS = {
    "redis": ("protocol.settings", "RedisSettings"),
    "gateway": ("streaming.settings", "GatewaySettings"),
    "worker": ("workers.settings", "WorkerSettings"),
    "recorder": ("transcripts.settings", "RecorderSettings"),
    "api": ("transcripts.api.settings", "ApiSettings"),
    "analyser": ("transcripts.analysis.settings", "AnalyserSettings"),
}
_CLIENT = {"client": ("transcripts.settings", "ClientSettings")}


class _Imported(Mapping[str, _Class]):
    """Settings classes by section."""

    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        self._places = places

    def __getitem__(self, section: str) -> _Class:
        module, name = self._places[section]
        found: _Class = getattr(import_module(module), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _All(Mapping[str, _Class]):
    """All sections: the parts, the commands for stored calls, and last the engines that have settings."""

    def __init__(self, others: Mapping[str, _Class]) -> None:
        self._others = others

    def __getitem__(self, section: str) -> _Class:
        return self._others[section] if section in self._others else _engines()[section]

    def __iter__(self) -> Iterator[str]:
        yield from self._others
        yield from _engines()

    def __len__(self) -> int:
        return len(self._others) + len(_engines())


def _engines() -> Mapping[str, _Class]:
    from workers.engines import registry  # it imports the settings of all engines

    return registry.SETTINGS


PARTS: Mapping[str, _Class] = _Imported(_PARTS)
SECTIONS: Mapping[str, _Class] = _All(_Imported(_PARTS | _CLIENT))
