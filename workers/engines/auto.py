"""Chooses the engine for the setting `auto` on this machine, and gives the reason."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from . import registry
from .declaration import InstalledSoftware
from .errors import EngineError
from .settings import EngineSettings

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine of the registry, and the reason for the choice, for an operator."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Environment:
    """The Python packages and programs of this machine, of those that engines declare to need."""

    modules: frozenset[str]
    programs: frozenset[str]


def inspect_environment() -> Environment:
    """Look for what the engines declare to need.  Imports none of it."""
    return Environment(
        frozenset(name for name in registry.modules() if find_spec(name)),
        frozenset(name for name in registry.programs() if shutil.which(name)),
    )


def choose(
    wanted: str,
    settings: Callable[[str], EngineSettings],
    installed: InstalledSoftware | None = None,
) -> Choice:
    """
    Return the engine `wanted`; for `auto` the first of the registry that declares that it can run here.

    `settings` returns the settings of an engine by name; `installed`: None looks at this machine.  Raises
    EngineError when no engine can run.
    """
    if wanted != AUTO:
        return Choice(wanted, "asked for")
    installed = installed or inspect_environment()
    obstacles: list[str] = []
    for name, automatic in registry.automatic().items():
        obstacle = automatic.obstacle(installed, partial(settings, name))
        if obstacle is None:
            return Choice(name, "; ".join(obstacles) or automatic.reason)
        obstacles.append(obstacle)
    raise EngineError(f"no engine can run here: {'; '.join(obstacles)}")
