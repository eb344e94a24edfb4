"""Chooses the engine for the setting `auto` on this machine, and gives the reason."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from .granite import GraniteSettings, obstacle


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine of the registry, and the reason for the choice, for an operator."""

    engine: str
    reason: str


def choose(
    wanted: str,
    granite: Callable[[], GraniteSettings] = GraniteSettings,
    *,
    has_module: Callable[[str], bool] = lambda name: find_spec(name) is not None,
    has_program: Callable[[str], bool] = lambda name: shutil.which(name) is not None,
) -> Choice:
    """
    Return the engine `wanted`; for `auto` granite if the machine has a GPU and the model, else moonshine.

    `granite` returns the settings of granite; it is called only if there is a GPU.
    """
    if wanted != "auto":
        return Choice(wanted, "asked for")
    if not has_program("nvidia-smi"):
        return Choice("moonshine", "this machine has no NVIDIA GPU")
    if not (has_module("torch") and has_module("transformers")):
        return Choice(
            "moonshine",
            "an NVIDIA GPU, but the extra is not installed: pip install 'trunkline[granite]'",
        )
    settings = granite()
    if hindrance := obstacle(settings.model, settings.revision):
        return Choice("moonshine", f"a GPU, but {hindrance}")
    return Choice("granite", "an NVIDIA GPU")
