"""
Folders that are made once and then only read.

A start that is interrupted leaves nothing half-made, two processes that start at once make it once, and a folder
that was damaged since is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

MANIFEST = "manifest.json"

Make = Callable[[Path], None]
"""Writes its files into the empty folder that it is given."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file of a finished folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished folder holds: written last, so its presence means that all the rest is there."""

    files: tuple[CachedFile, ...]


def build_once(folder: Path, make: Make) -> Path:
    """
    `folder`, intact, made by `make` if need be.

    OSError when the disk is full or the parent cannot be written; whatever `make` raises goes through, and
    leaves no trace.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(folder.name + ".lock")):
        if not intact(folder):
            _replace(folder, make)
    return folder


def intact(folder: Path) -> bool:
    """Whether every file is there just as it was when the folder was finished."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        return all(_listed(folder / file.name) == file for file in manifest.files)
    except (OSError, msgspec.DecodeError):
        return False


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(folder: Path, make: Make) -> None:
    """Make beside `folder`, then take its place in one step.  Clears away what a killed process left behind."""
    for leftover in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    build_dir = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        make(build_dir)
        listed = tuple(_listed(path) for path in sorted(build_dir.iterdir()))
        (build_dir / MANIFEST).write_bytes(msgspec.json.encode(Manifest(listed)))
        shutil.rmtree(folder, ignore_errors=True)
        build_dir.rename(folder)
    finally:
        shutil.rmtree(build_dir, ignore_errors=True)


def _listed(path: Path) -> CachedFile:
    return CachedFile(path.name, path.stat().st_size, sha256_of(path))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone in this block among all processes of the machine; a lock dies with its process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def default_cache() -> Path:
    """Where this user keeps what can be made again (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "trunkline"
