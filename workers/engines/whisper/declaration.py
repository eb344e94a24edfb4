"""What the Whisper engine declares."""

from ..declaration import Check, CheckState, Declaration, Host
from .settings import WhisperSettings

_MODULE, _EXTRA = "faster_whisper", "trunkline[whisper]"


def check(host: Host) -> Check:
    """See Declaration."""
    if _MODULE in host.modules:
        return Check("Whisper engine", CheckState.OK, "faster-whisper")
    found, follows = "extra not installed", "the CPU engine knows English only"
    return Check("Whisper engine", CheckState.SUBSTITUTE, found, follows, f"pip install '{_EXTRA}'")


WHISPER = Declaration(
    "whisper.engine",
    check,
    needs=_EXTRA,
    settings=WhisperSettings,
    accepts="a folder with weights in CTranslate2's format",
    modules=frozenset({_MODULE}),
)
