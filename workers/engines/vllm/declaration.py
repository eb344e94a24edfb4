"""What the vLLM engine declares."""

from ..declaration import Check, CheckState, Declaration, Host
from .settings import VllmSettings

_MODULE, _EXTRA = "httpx", "trunkline[vllm]"


def check(host: Host) -> Check:
    """See Declaration."""
    name = "vLLM engine"
    if _MODULE in host.modules:
        return Check(name, CheckState.OK, "client installed; a server is needed")
    found, follows = "extra not installed", "no server of vLLM can be used"
    return Check(name, CheckState.SUBSTITUTE, found, follows, f"pip install '{_EXTRA}'")


VLLM = Declaration(
    "vllm.engine",
    check,
    needs=_EXTRA,
    settings=VllmSettings,
    accepts="the name of a model on the server",
    modules=frozenset({_MODULE}),
)
"""Never chosen by `auto`: only the site knows its servers."""
