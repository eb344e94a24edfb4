"""
The engines by name.

Naming one imports nothing: each module comes in only when it is asked for, with whatever it needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from ..engine import Engine, EngineError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an engine's loader lives and what has to be installed for it."""

    module: str
    needs: str = "trunkline"
    """What to give to pip."""


ENGINES: Mapping[str, Entry] = {
    "granite": Entry("granite", needs="trunkline[granite]"),
    "moonshine": Entry("moonshine"),
    "whisper": Entry("whisper", needs="trunkline[whisper]"),
}
"""Each module has a `load` that gives a warm engine; its parameters are the engine's own."""

DEFAULT = "moonshine"


def load(name: str, **options: object) -> Engine:
    """
    The engine of that name, loaded and warm; `options` go to its `load` as they are.

    EngineError when there is none of that name, or something it needs is not installed.
    """
    entry = ENGINES.get(name)
    if entry is None:
        raise EngineError(f"no engine is called {name!r}: there are {', '.join(sorted(ENGINES))}")
    return loader(name, entry)(**options)


def loader(name: str, entry: Entry) -> Callable[..., Engine]:
    """The `load` of an engine's module."""
    try:
        module = import_module(f".{entry.module}", __package__)
    except ImportError as exc:
        raise EngineError(
            f"the engine {name!r} needs `pip install {entry.needs!r}`: {exc}"
        ) from exc
    return cast("Callable[..., Engine]", module.load)
