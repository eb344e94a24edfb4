"""What the vLLM engine declares."""

from pathlib import Path

from ..declaration import Check, CheckState, Declaration, Host
from ..errors import EngineError
from ..granite.checkpoint import fetched
from ..settings import EngineSettings
from .settings import VllmSettings

_MODULE, _EXTRA = "httpx", "trunkline[vllm]"


def check(host: Host) -> Check:
    """See Declaration."""
    name = "vLLM engine"
    if _MODULE in host.modules:
        return Check(name, CheckState.OK, "client installed; a server is needed")
    found, follows = "extra not installed", "no server of vLLM can be used"
    return Check(name, CheckState.SUBSTITUTE, found, follows, f"pip install '{_EXTRA}'")


def fetch(settings: EngineSettings) -> Path:
    """See Declaration.  Only the encoder of the worker has files here."""
    assert isinstance(settings, VllmSettings)
    if settings.encoder is None:
        raise EngineError("the server has the model; only vllm.encoder names files for the worker")
    return fetched(
        settings.encoder, settings.encoder_revision, settings.encoder_cache, settings.encoder_manifest
    ).folder  # fmt: skip


VLLM = Declaration(
    "vllm.engine",
    check,
    needs=_EXTRA,
    settings=VllmSettings,
    accepts="the name of a model on the server",
    fetch=fetch,
    modules=frozenset({_MODULE}),
)
"""Never chosen by `auto`: only the site knows its servers."""
