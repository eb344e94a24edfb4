"""Pin the packages of the images: `python docker/make_locks.py` writes a .lock file for each set of sets.toml."""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
ROOT = HERE.parent

_TARGET = ("--python-version", "3.11.14", "--python-platform", "x86_64-manylinux_2_28")
"""The base image.  amd64 only: moonshine-cpp has no wheels for Linux on ARM."""


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Packages of one image, from sets.toml."""

    extras: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    """If given, the dependencies of the project are not installed."""


def sets() -> dict[str, ImageSet]:
    """Return all sets by name."""
    content = tomllib.loads((HERE / "sets.toml").read_text())
    return {
        name: ImageSet(**{word: tuple(names) for word, names in said.items()})
        for name, said in content.items()
    }


def requirements(image: ImageSet, project: dict[str, Any]) -> list[Requirement]:
    """Return the packages to install.  A dependency that is not in `without` is in every image."""
    if image.alone:
        return [Requirement(line) for line in image.alone]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for name in image.extras for line in extras[name])]
    wanted = {Requirement(line) for line in lines}
    unused = {canonicalize_name(name) for name in image.without}
    kept = {one for one in wanted if canonicalize_name(one.name) not in unused}
    return sorted(kept | {Requirement(line) for line in image.also}, key=str)


def project() -> dict[str, Any]:
    """Return the table [project] of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def lock(name: str, wanted: Sequence[Requirement]) -> None:
    """Resolve the versions with uv and write them with the hashes of their files."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "-", *_TARGET, "--only-binary", ":all:"),
        "--system-certs",  # as pip does: a proxy may bring a certificate authority of its own
        *("--generate-hashes", "--no-annotate", "--no-header", "--quiet"),
        *("--constraint", str(ROOT / "constraints.txt")),
    ]
    lines = "\n".join(map(str, wanted))
    pinned = subprocess.run(command, check=True, input=lines, stdout=subprocess.PIPE, text=True)
    head = f"# The set [{name}] of sets.toml, pinned.  Made by `make locks`.\n"
    (HERE / f"{name}.lock").write_text(head + pinned.stdout)


if __name__ == "__main__":
    for name, image in sets().items():
        lock(name, requirements(image, project()))
