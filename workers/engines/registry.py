"""
The engines by name.

Importing this module imports no engine: `load` imports the engine's module and its dependencies.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .common.download import Progress
from .declaration import Automatic, Check, Declaration, Host
from .errors import EngineError
from .granite.declaration import GRANITE
from .mlx.declaration import MLX
from .moonshine.declaration import MOONSHINE
from .moonshine.declaration import NAME as DEFAULT
from .moonshine_streaming.declaration import MOONSHINE_STREAMING
from .nemotron.declaration import NEMOTRON
from .settings import EngineSettings
from .vllm.declaration import VLLM
from .whisper.declaration import WHISPER

if TYPE_CHECKING:
    from .base import Engine

__all__ = ["DEFAULT", "ENGINES"]

ENGINES: Mapping[str, Declaration] = {
    "granite": GRANITE,
    "mlx": MLX,
    "moonshine": MOONSHINE,
    "moonshine-streaming": MOONSHINE_STREAMING,
    "nemotron": NEMOTRON,
    "vllm": VLLM,
    "whisper": WHISPER,
}
"""The setting `auto` chooses the first that can run; one that can always run comes last."""


def section_of(name: str) -> str:
    """The section of the configuration with the settings of the engine called `name`: an identifier."""
    return name.replace("-", "_")


SETTINGS: Mapping[str, type[EngineSettings]] = {
    section_of(name): engine.settings
    for name, engine in ENGINES.items()
    if engine.settings.model_fields
}
"""The settings of the engines that have any, by section of the configuration."""


def settings_of(name: str) -> type[EngineSettings]:
    """
    The settings class of the engine called `name`.

    Raises EngineError when no engine has this name.
    """
    return _declared(name).settings


def accepts(name: str) -> str:
    """What the engine accepts as its model; empty if it has one only.  Raises EngineError like `settings_of`."""
    return _declared(name).accepts


def automatic() -> Mapping[str, Automatic]:
    """The engines that `auto` may choose, in order of preference."""
    return {name: engine.automatic for name, engine in ENGINES.items() if engine.automatic}


def modules() -> frozenset[str]:
    """The Python packages that the engines ask for."""
    return frozenset[str]().union(*(engine.modules for engine in ENGINES.values()))


def programs() -> frozenset[str]:
    """The programs that the engines ask for."""
    return frozenset[str]().union(*(engine.programs for engine in ENGINES.values()))


def checks(host: Host) -> list[Check]:
    """What the facts about a machine mean for each engine.  Pure."""
    return [engine.check(host) for engine in ENGINES.values()]


def folders() -> Mapping[str, Path]:
    """The folder of the prepared files of each engine that has any, whether it exists or not."""
    return {
        name: engine.preparation.folder() for name, engine in ENGINES.items() if engine.preparation
    }


def prepare(name: str, progress: Progress) -> None:
    """Make the files of an engine before its first start.  Blocks, up to minutes.  Raises EngineError."""
    if preparation := _declared(name).preparation:
        preparation.run(progress)


def fetch(name: str, settings: EngineSettings) -> Path | None:
    """
    Download and check the model of an engine.  Blocks, up to hours.  Returns its folder; None if there is none.

    Raises EngineError.
    """
    download = _declared(name).fetch
    return download(settings) if download else None


def load(name: str, **options: object) -> "Engine":
    """
    Load and warm up the engine called `name`; `options` are passed to its `load` unchanged.

    Raises EngineError when no engine has this name, or when a package that it needs is not installed.
    """
    return loader(name, _declared(name))(**options)


def loader(name: str, declared: Declaration) -> "Callable[..., Engine]":
    """The `load` function of an engine's module.  Raises EngineError when the module cannot be imported."""
    try:
        module = import_module(f".{declared.module}", __package__)
    except ImportError as exc:
        raise EngineError(
            f"the engine {name!r} needs `pip install {declared.needs!r}`: {exc}"
        ) from exc
    return cast("Callable[..., Engine]", module.load)


def _declared(name: str) -> Declaration:
    if declared := ENGINES.get(name):
        return declared
    raise EngineError(f"there is no engine {name!r}: choose one of {', '.join(sorted(ENGINES))}")
