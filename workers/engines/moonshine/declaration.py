"""What the Moonshine engine declares."""

from ..declaration import Automatic, Check, CheckState, Declaration, Host, Preparation
from . import weights

NAME = "moonshine"
_CHECK = "CPU engine"


def check(host: Host) -> Check:
    """See Declaration."""
    if NAME in host.prepared:
        return Check(_CHECK, CheckState.OK, "Moonshine, weights prepared")
    if weights.PACKAGE in host.modules:
        later = "prepared at the first start, takes about 20 s"
        return Check(_CHECK, CheckState.OK, "Moonshine, weights in moonshine-cpp", later)
    return Check(
        _CHECK,
        CheckState.SUBSTITUTE,
        f"no package with weights for {host.system}",
        "downloaded from the vendor at the first start",
        "nothing to do; without a network, copy the cache folder from another machine",
    )


MOONSHINE = Declaration(
    "moonshine.engine",
    check,
    preparation=Preparation(
        lambda: weights.folder(None),
        lambda progress: weights.ready(None, progress, weights.VENDOR_URL),
    ),
    automatic=Automatic("the engine for machines without a GPU"),
    one_core=True,
    modules=frozenset({weights.PACKAGE}),
)
