"""
Programs from Debian that are not Python packages.

Unpacked into a folder, without installing them: no script of a package runs, no root is needed.  An apt with a state of its own chooses the packages and checks their signatures.  Nothing of the machine changes.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

UNAVAILABLE = 3
"""Exit status of an installer whose packages cannot be fetched on this machine."""

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ELSEWHERE = "http://deb.debian.org/debian/"
_INSTALL_SECONDS = 600


class UnavailableError(Exception):
    """The packages cannot be fetched on this machine.  The text says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where packages come from."""

    release: str | None = None
    """A release of Debian, such as `sid`.  None: the releases that this machine uses."""

    complete: bool = True
    """Fetch all dependencies.  False: only those that this machine lacks, for programs that use its libraries."""

    def fetch(self, folder: Path, packages: Sequence[str]) -> list[Path]:
        """Download `packages` with their dependencies into `folder`/apt.  Raises UnavailableError."""
        if any(shutil.which(tool) is None for tool in ("apt-get", "dpkg-deb")):
            raise UnavailableError("this machine has no apt-get")
        apt = folder / "apt"
        for part in ("lists/partial", "archives/partial", "none"):
            (apt / part).mkdir(parents=True)
        (apt / "apt.conf").write_text(self._settings(apt))
        run("apt-get", "-q", "update", apt_config=apt / "apt.conf")
        run("apt-get", "-qy", "--download-only", "install", *packages, apt_config=apt / "apt.conf")
        return sorted((apt / "archives").glob("*.deb"))

    def _settings(self, apt: Path) -> str:
        status = Path("/var/lib/dpkg/status")
        if self.complete or not status.exists():
            status = apt / "status"
            status.touch()
        lines = [
            f'Dir::State "{apt}"; Dir::State::status "{status}"; Dir::Cache "{apt}";',
            'APT::Install-Recommends "false"; APT::Sandbox::User "root";',
        ]
        if self.release is not None:
            signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
            (apt / "sources.list").write_text(f"deb {signed}{_mirror()} {self.release} main\n")
            lines += [
                f'Dir::Etc::sourcelist "{apt}/sources.list"; Dir::Etc::sourceparts "{apt}/none";',
                f'Dir::Etc::preferencesparts "{apt}/none";',
            ]
        return "\n".join(lines) + "\n"


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack `packages` into `root`.  base-files, if it is among them, comes first: others rely on its links."""
    root.mkdir(parents=True)
    for package in sorted(packages, key=lambda path: not path.name.startswith("base-files_")):
        run("dpkg-deb", "-x", str(package), str(root))


def run(*command: str, apt_config: Path | None = None) -> str:
    """Run a command and return its output.  Raises UnavailableError with its last line of error output."""
    environment = dict(os.environ) | ({"APT_CONFIG": str(apt_config)} if apt_config else {})
    try:
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except FileNotFoundError as exc:
        raise UnavailableError(f"this machine has no {command[0]}") from exc
    if ran.returncode:
        complaint = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnavailableError(f"{' '.join(command[:4])}: {complaint}")
    return ran.stdout


def _mirror() -> str:
    """Return the mirror of Debian that this machine uses."""
    indices = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    mirrors = [line for line in sorted(set(indices.split())) if line.endswith("/debian/")]
    return mirrors[0] if mirrors else _ELSEWHERE


def install(package: str) -> None:
    """Install a package, if this is a Debian and we may; whether it worked shows in its programs."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(
            ["apt-get", "install", "-y", "--no-install-recommends", package],
            check=False,
            capture_output=True,
            timeout=_INSTALL_SECONDS,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
