"""
The engines by name.

Naming one imports nothing: each module comes in only when it is asked for, with whatever it needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from .base import Engine, EngineError
from .granite.settings import GraniteSettings
from .settings import EngineSettings, WhisperSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an engine's loader lives and what has to be installed for it."""

    module: str
    needs: str = "trunkline"
    """What to give to pip."""

    settings: type[EngineSettings] = EngineSettings
    """What a site may choose; `options` of it are the arguments of the loader."""


ENGINES: Mapping[str, Entry] = {
    "granite": Entry("granite", "trunkline[granite]", GraniteSettings),
    "moonshine": Entry("moonshine.engine"),
    "whisper": Entry("whisper", "trunkline[whisper]", WhisperSettings),
}
"""Each module has a `load` that gives a warm engine; its parameters are the engine's own."""

DEFAULT = "moonshine"

SETTINGS: Mapping[str, type[EngineSettings]] = {
    name: entry.settings for name, entry in ENGINES.items() if entry.settings.model_fields
}
"""The settings of the engines that have any, by name: sections of the configuration."""


def settings_of(name: str) -> type[EngineSettings]:
    """
    What a site may choose about the engine of that name.

    EngineError when there is none of that name.
    """
    return _entry(name).settings


def load(name: str, **options: object) -> Engine:
    """
    The engine of that name, loaded and warm; `options` go to its `load` as they are.

    EngineError when there is none of that name, or something it needs is not installed.
    """
    return loader(name, _entry(name))(**options)


def _entry(name: str) -> Entry:
    if entry := ENGINES.get(name):
        return entry
    raise EngineError(f"no engine is called {name!r}: there are {', '.join(sorted(ENGINES))}")


def loader(name: str, entry: Entry) -> Callable[..., Engine]:
    """The `load` of an engine's module."""
    try:
        module = import_module(f".{entry.module}", __package__)
    except ImportError as exc:
        raise EngineError(
            f"the engine {name!r} needs `pip install {entry.needs!r}`: {exc}"
        ) from exc
    return cast("Callable[..., Engine]", module.load)
