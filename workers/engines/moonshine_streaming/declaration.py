"""What the engine for Moonshine's streaming models declares."""

from pathlib import Path

from ..common.checkpoint import fetched
from ..declaration import Check, CheckState, Declaration, Host
from ..settings import EngineSettings
from .models import FAMILY
from .settings import MoonshineStreamingSettings

_EXTRA = "trunkline[moonshine-streaming]"
_MODULES = frozenset({"torch", "transformers"})


def check(host: Host) -> Check:
    """See Declaration.  Without the extra nothing is replaced: the engine is used only if it is asked for."""
    name = "Moonshine v2"
    if host.modules >= _MODULES:
        return Check(name, CheckState.OK, "torch and transformers", "used only if asked for")
    return Check(name, CheckState.OK, "extra not installed", "needed only if asked for")


def fetch(settings: EngineSettings) -> Path:
    """See Declaration."""
    assert isinstance(settings, MoonshineStreamingSettings)
    chosen = settings
    return fetched(FAMILY, chosen.model, chosen.revision, chosen.cache, chosen.manifest).folder


MOONSHINE_STREAMING = Declaration(
    "moonshine_streaming.loading",
    check,
    needs=_EXTRA,
    settings=MoonshineStreamingSettings,
    accepts="a folder, or a hub id; those of UsefulSensors have a pinned revision",
    fetch=fetch,
    one_core=True,
    modules=_MODULES,
)
"""Never chosen by `auto`: it has not met the vendor's weights yet."""
