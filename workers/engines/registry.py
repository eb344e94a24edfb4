"""
The engines by name.

Importing this module imports no engine: `load` imports the engine's module and its dependencies.
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
    """The module of an engine's loader, and the package that must be installed for it."""

    module: str
    needs: str = "trunkline"
    """The argument for `pip install`."""

    settings: type[EngineSettings] = EngineSettings
    """The engine's settings; their `options()` are the arguments of its loader."""


ENGINES: Mapping[str, Entry] = {
    "granite": Entry("granite", "trunkline[granite]", GraniteSettings),
    "moonshine": Entry("moonshine.engine"),
    "whisper": Entry("whisper", "trunkline[whisper]", WhisperSettings),
}
"""Each module has a function `load` that returns a warm engine; its parameters differ between engines."""

DEFAULT = "moonshine"

SETTINGS: Mapping[str, type[EngineSettings]] = {
    name: entry.settings for name, entry in ENGINES.items() if entry.settings.model_fields
}
"""The settings of the engines that have any, by name: sections of the configuration."""


def settings_of(name: str) -> type[EngineSettings]:
    """
    The settings class of the engine called `name`.

    Raises EngineError when no engine has this name.
    """
    return _entry(name).settings


def load(name: str, **options: object) -> Engine:
    """
    Load and warm up the engine called `name`; `options` are passed to its `load` unchanged.

    Raises EngineError when no engine has this name, or when a package that it needs is not installed.
    """
    return loader(name, _entry(name))(**options)


def _entry(name: str) -> Entry:
    if entry := ENGINES.get(name):
        return entry
    raise EngineError(f"there is no engine {name!r}: choose one of {', '.join(sorted(ENGINES))}")


def loader(name: str, entry: Entry) -> Callable[..., Engine]:
    """The `load` function of an engine's module.  Raises EngineError when the module cannot be imported."""
    try:
        module = import_module(f".{entry.module}", __package__)
    except ImportError as exc:
        raise EngineError(
            f"the engine {name!r} needs `pip install {entry.needs!r}`: {exc}"
        ) from exc
    return cast("Callable[..., Engine]", module.load)
