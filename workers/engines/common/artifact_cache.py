"""
Cache of folders that are built once and then only read.

An interrupted build leaves no incomplete folder, two processes that start at once build it once, and a folder that
was damaged later is built again.
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
"""Builds the files in the empty folder that is its argument."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file of a finished folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a finished folder.  Written last, so its presence shows that the folder is complete."""

    files: tuple[CachedFile, ...]


def build_once(folder: Path, make: Make) -> Path:
    """
    Return `folder` intact; build it with `make` if it is missing or damaged.

    Raises OSError when the disk is full or the parent folder is not writable.  Errors of `make` are passed on, and
    no incomplete folder remains.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_name(folder.name + ".lock")):
        if not intact(folder):
            _replace(folder, make)
    return folder


def intact(folder: Path) -> bool:
    """Whether every file still has the size and hash that it had when the folder was finished."""
    try:
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
        return all(_listed(folder / file.name) == file for file in manifest.files)
    except (OSError, msgspec.DecodeError):
        return False


def sha256_of(path: Path) -> str:
    """SHA-256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(folder: Path, make: Make) -> None:
    """Build next to `folder`, then rename.  Also deletes what a killed process left behind."""
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
    """Hold a lock against all other processes of the machine; it is released if the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def default_cache() -> Path:
    """The cache folder of this user (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "trunkline"
