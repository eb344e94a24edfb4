"""What the Granite engine declares."""

from collections.abc import Callable
from pathlib import Path

from ..declaration import Automatic, Check, CheckState, Declaration, Host, InstalledSoftware
from ..settings import EngineSettings
from .checkpoint import fetched, obstacle
from .settings import GraniteSettings

_EXTRA = "trunkline[granite]"
_MODULES, _DRIVER = frozenset({"torch", "transformers"}), "nvidia-smi"


def unsuited(installed: InstalledSoftware, settings: Callable[[], EngineSettings]) -> str | None:
    """See Automatic.  Without a GPU the engine is too slow for live captions."""
    if _DRIVER not in installed.programs:
        return "this machine has no NVIDIA GPU"
    if not installed.modules >= _MODULES:
        return f"an NVIDIA GPU, but the extra is not installed: pip install '{_EXTRA}'"
    chosen = settings()
    assert isinstance(chosen, GraniteSettings)
    hindrance = obstacle(chosen.model, chosen.revision)
    return f"a GPU, but {hindrance}" if hindrance else None


def check(host: Host) -> Check:
    """See Declaration."""
    name, instead = "Granite engine", "the CPU engine is used, which knows English only"
    if not host.modules >= _MODULES:
        remedy = f"pip install '{_EXTRA}' on a machine with an NVIDIA GPU"
        return Check(name, CheckState.SUBSTITUTE, "extra not installed", instead, remedy)
    if _DRIVER not in host.programs:
        remedy = "run the worker on a machine with an NVIDIA GPU"
        return Check(name, CheckState.SUBSTITUTE, "no GPU", instead, remedy)
    if host.gpu is None:
        slow = "Granite is chosen but runs on the CPU, too slow for live captions"
        remedy = "repair the driver, install a CUDA build of torch, or set TRUNKLINE_WORKER_ENGINE=moonshine"
        return Check(name, CheckState.SUBSTITUTE, "torch does not see the GPU", slow, remedy)
    return Check(name, CheckState.OK, host.gpu)


def fetch(settings: EngineSettings) -> Path:
    """See Declaration."""
    assert isinstance(settings, GraniteSettings)
    chosen = settings
    return fetched(chosen.model, chosen.revision, chosen.cache, chosen.manifest).folder


GRANITE = Declaration(
    "granite",
    check,
    needs=_EXTRA,
    settings=GraniteSettings,
    accepts="a folder, or a hub id; those of IBM have a pinned revision",
    fetch=fetch,
    automatic=Automatic("an NVIDIA GPU", unsuited),
    modules=_MODULES,
    programs=frozenset({_DRIVER}),
)
