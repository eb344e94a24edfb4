"""What the Nemotron engine declares."""

from pathlib import Path

from ..common.checkpoint import fetched
from ..declaration import Check, CheckState, Declaration, Host
from ..settings import EngineSettings
from .models import FAMILY
from .settings import NemotronSettings

_EXTRA = "trunkline[nemotron]"
_MODULES = frozenset({"torch", "transformers"})


def check(host: Host) -> Check:
    """See Declaration.  Calls are transcribed without this engine, so a missing extra is no fault."""
    if host.modules >= _MODULES:
        return Check("Nemotron engine", CheckState.OK, "torch, transformers")
    return Check("Nemotron engine", CheckState.OK, "not used here: the extra is not installed")


def fetch(settings: EngineSettings) -> Path:
    """See Declaration."""
    assert isinstance(settings, NemotronSettings)
    chosen = settings
    return fetched(FAMILY, chosen.model, chosen.revision, chosen.cache, chosen.manifest).folder


NEMOTRON = Declaration(
    "nemotron.loading",
    check,
    needs=_EXTRA,
    settings=NemotronSettings,
    accepts="a folder as transformers saves it, or a hub id; the vendor's has a pinned revision",
    fetch=fetch,
    one_core=True,
    modules=_MODULES,
)
"""Never chosen by `auto`: it has not run with the vendor's weights yet."""
