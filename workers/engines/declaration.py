"""
What an engine declares about itself, so that no other part of the product has to know its name.

Values and pure functions of them.  Importing an engine's declaration imports none of the engine's dependencies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from .common.download import Progress
from .settings import EngineSettings


class CheckState(StrEnum):
    """Result of a check of `trunkline doctor`."""

    OK = "ok"
    SUBSTITUTE = "substitute"
    """Missing, and replaced by something less good."""

    MISSING = "missing"
    """Missing, and calls cannot be transcribed without it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of `trunkline doctor`."""

    name: str
    state: CheckState
    found: str
    consequence: str = ""
    """What is used instead, or what does not work."""

    remedy: str = ""


class InstalledSoftware(Protocol):
    """What is installed on a machine, of all that engines declare to need."""

    @property
    def modules(self) -> frozenset[str]:
        """Python packages that can be imported."""
        ...

    @property
    def programs(self) -> frozenset[str]:
        """Programs on PATH."""
        ...


class Host(InstalledSoftware, Protocol):
    """The facts about a machine that an engine's check may use."""

    @property
    def system(self) -> str:
        """Operating system and processor: `Linux x86_64`."""
        ...

    @property
    def gpu(self) -> str | None:
        """Name of the GPU as torch reports it; None if torch finds none."""
        ...

    @property
    def prepared(self) -> frozenset[str]:
        """Names of the engines whose files are prepared."""
        ...


@dataclass(frozen=True, slots=True)
class Preparation:
    """Files that an engine makes before its first start on a machine."""

    folder: Callable[[], Path]
    """The folder of the finished files, whether it exists or not."""

    run: Callable[[Progress], object]
    """Makes the folder if it is missing or damaged.  Blocks, up to minutes.  Raises EngineError."""


@dataclass(frozen=True, slots=True)
class Automatic:
    """When the setting `auto` chooses the engine."""

    reason: str
    """Why the engine is chosen if nothing prevents it."""

    obstacle: Callable[[InstalledSoftware, Callable[[], EngineSettings]], str | None] = (
        lambda _, __: None
    )
    """Returns why the engine cannot run here, or None.  Calls the second argument, its settings, only if needed."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One engine: where its loader is, and what other parts must know of it."""

    module: str
    """
    Module below `workers.engines` with a function `load` that returns a warm engine.

    The arguments of `load` are the `options()` of its settings.
    """

    check: Callable[[Host], Check]
    """The engine's check of `trunkline doctor`.  Pure."""

    needs: str = "trunkline"
    """The argument for `pip install`."""

    settings: type[EngineSettings] = EngineSettings
    accepts: str = ""
    """What the engine accepts as its model, for operators; empty if it has one model only."""

    preparation: Preparation | None = None
    fetch: Callable[[EngineSettings], Path] | None = None
    """
    Downloads the model that the settings name, if it is not here, and checks its files.  Returns its folder.

    Downloads no complete file again.  Raises EngineError.  Unset: there is nothing to download.
    """

    automatic: Automatic | None = None
    """Unset: `auto` never chooses the engine."""

    one_core: bool = False
    """Whether a worker uses one core of the processor, so that more workers transcribe more calls."""

    modules: frozenset[str] = frozenset()
    """Python packages that `check` and `automatic` ask for."""

    programs: frozenset[str] = frozenset()
    """Programs that `check` and `automatic` ask for."""
