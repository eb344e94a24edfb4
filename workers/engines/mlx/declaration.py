"""What the MLX engine declares."""

from pathlib import Path

from ..declaration import Check, CheckState, Declaration, Host
from ..granite.checkpoint import fetched
from ..settings import EngineSettings
from .settings import MlxSettings

_MODULE, _EXTRA = "mlx_audio", "trunkline[mlx]"


def check(host: Host) -> Check:
    """See Declaration."""
    name = "MLX engine"
    if not host.system.startswith("Darwin arm64"):
        return Check(name, CheckState.OK, "not used here: this is no Apple Silicon")
    if _MODULE in host.modules:
        return Check(name, CheckState.OK, "mlx-audio")
    found, follows = "extra not installed", "the CPU engine knows English only"
    return Check(name, CheckState.SUBSTITUTE, found, follows, f"pip install '{_EXTRA}'")


def fetch(settings: EngineSettings) -> Path:
    """See Declaration."""
    assert isinstance(settings, MlxSettings)
    return fetched(settings.model, settings.revision, settings.cache, settings.manifest).folder


MLX = Declaration(
    "mlx.engine",
    check,
    needs=_EXTRA,
    settings=MlxSettings,
    accepts="a folder, or a hub id; those of IBM have a pinned revision",
    fetch=fetch,
    modules=frozenset({_MODULE}),
)
"""Never chosen by `auto`: it has not run on Apple Silicon yet."""
