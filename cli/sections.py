"""The sections of the configuration by name.  A settings class is imported when it is needed."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from pydantic import BaseModel

_PARTS = {
    "redis": ("protocol.settings", "RedisSettings"),
    "gateway": ("streaming.settings", "GatewaySettings"),
    "worker": ("workers.settings", "WorkerSettings"),
    "recorder": ("transcripts.settings", "RecorderSettings"),
    "api": ("transcripts.api.settings", "ApiSettings"),
}
_CLIENT = {"client": ("transcripts.settings", "ClientSettings")}


class _Imported(Mapping[str, type[BaseModel]]):
    """Settings classes by section."""

    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        self._places = places

    def __getitem__(self, section: str) -> type[BaseModel]:
        module, name = self._places[section]
        found: type[BaseModel] = getattr(import_module(module), name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class _All(Mapping[str, type[BaseModel]]):
    """All sections: the parts, the commands for stored calls, and last the engines that have settings."""

    def __init__(self, others: Mapping[str, type[BaseModel]]) -> None:
        self._others = others

    def __getitem__(self, section: str) -> type[BaseModel]:
        return self._others[section] if section in self._others else _engines()[section]

    def __iter__(self) -> Iterator[str]:
        yield from self._others
        yield from _engines()

    def __len__(self) -> int:
        return len(self._others) + len(_engines())


def _engines() -> Mapping[str, type[BaseModel]]:
    from workers.engines import registry  # it imports the settings of all engines

    return registry.SETTINGS


PARTS: Mapping[str, type[BaseModel]] = _Imported(_PARTS)
SECTIONS: Mapping[str, type[BaseModel]] = _All(_Imported(_PARTS | _CLIENT))
