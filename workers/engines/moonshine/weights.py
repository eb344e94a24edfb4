"""
The source of Moonshine's weights, and the folder that holds them ready to run.

Moonshine base-en (Jeffries et al., "Moonshine: Speech Recognition for Live Transcription and Voice Commands",
arXiv 2410.15608): 62 million parameters, English, code and English weights under MIT.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

from ..common.artifact_cache import build_once, default_cache, sha256_of
from ..common.download import Progress, fetch
from ..errors import EngineError

PACKAGE = "moonshine_cpp"
"""Contains the model files.  Located but never imported, because importing it loads a second onnxruntime."""

VENDOR_URL = "https://download.moonshine.ai/model/base-en/quantized/base-en"
"""
The vendor's own download, for machines without a wheel on PyPI (Apple Silicon, ARM Linux).

The address could not be tested where this was written.  The files are checked against the same hashes as those of
the package, so a moved or changed file causes an error, never another model.
"""


@dataclass(frozen=True, slots=True)
class Source:
    """One file as the vendor publishes it."""

    name: str
    sha256: str


ENCODER = "encoder_model.ort"
DECODER = "decoder_model_merged.ort"
TOKENIZER = "tokenizer.bin"

SOURCES = (
    Source(ENCODER, "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c"),
    Source(DECODER, "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3"),
    Source(TOKENIZER, "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9"),
)

_FOLD_REVISION = 4
"""Increase it when `constant_folding` writes other files for the same sources: old caches are then not used."""


def ready(cache: Path | None, progress: Progress, vendor_url: str = VENDOR_URL) -> Path:
    """
    Return the folder with `encoder.onnx`, `cross.onnx`, `step.onnx` and the tokenizer.

    It is built at the first start (10 to 20 s), later only checked.  Raises EngineError when the weights are
    neither installed nor available from the vendor.
    """
    return build_once(folder(cache), lambda build_dir: _make(build_dir, progress, vendor_url))


def folder(cache: Path | None) -> Path:
    """The path that `ready` uses, whether it exists or not.  `cache`: None is the user's own cache folder."""
    return (cache or default_cache()) / f"moonshine-base-en-{_key()}"


def gather(
    target: Path, sources: tuple[Source, ...], installed: Path | None, url: str, progress: Progress
) -> None:
    """Copy `sources` to `target` from the `installed` folder; if that is None, download them from below `url`."""
    for source in sources:
        if installed is None:
            fetch(f"{url}/{source.name}", source.sha256, target / source.name, progress)
            continue
        if sha256_of(installed / source.name) != source.sha256:
            raise EngineError(
                f"{installed / source.name} differs from the pinned file: reinstall the package"
            )
        shutil.copyfile(installed / source.name, target / source.name)


def installed_folder() -> Path | None:
    """The folder of the model in the installed package, or None if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "models" / "base-en"
    return folder if folder.is_dir() else None


def _make(build_dir: Path, progress: Progress, vendor_url: str) -> None:
    gather(build_dir, SOURCES, installed_folder(), vendor_url, progress)
    _fold_apart(build_dir, progress)
    (build_dir / ENCODER).unlink()
    (build_dir / DECODER).unlink()


def _fold_apart(build_dir: Path, progress: Progress) -> None:
    """Fold in a separate process: it needs 1.2 GB for a moment, which this process would not release."""
    command = [sys.executable, "-m", f"{__package__}.constant_folding", str(build_dir)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "TMPDIR": str(build_dir),  # in a container /tmp is memory, and too small for this
    }
    with Popen(command, stdout=PIPE, text=True, env=environment) as folding:  # noqa: S603 (our own module)
        assert folding.stdout is not None
        for part in folding.stdout:
            progress("folding the weights", float(part))
    if folding.returncode:
        raise EngineError(
            f"folding moonshine's weights ended with {folding.returncode}; it needs 1.2 GB of memory, and 0.5 GB of"
            f" disk in {build_dir.parent}"
        )


def _key() -> str:
    """Identifies the source files and the revision of the folding."""
    parts = [*(source.sha256 for source in SOURCES), str(_FOLD_REVISION)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
