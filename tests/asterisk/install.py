"""
Put Debian's Asterisk and SIPp into a folder: `python tests/asterisk/install.py FOLDER`.

Debian stable has no Asterisk, so both come from unstable, with all that they need, into a root of their own;
nothing of the machine is changed.  Exit status 3 when the packages cannot be had here.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

UNAVAILABLE = 3
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PACKAGES = ("base-files", "asterisk", "sip-tester")


@dataclass(frozen=True, slots=True)
class Root:
    """
    The unpacked packages. Programs run with this folder as their root, because their libraries differ from ours.
    """

    folder: Path

    def command(self, *words: str) -> tuple[str, ...]:
        """Run `words` inside; a user other than root becomes root in a namespace of its own."""
        enter = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")
        return (*enter, "chroot", str(self.folder), *words)


class UnavailableError(Exception):
    """Debian's packages cannot be had on this machine; the text says why."""


def install(folder: Path) -> str:
    """Return the version that Asterisk reports; `folder`/root is complete when the file `folder`/version exists."""
    done = folder / "version"
    if not done.exists():
        if any(shutil.which(tool) is None for tool in ("apt-get", "dpkg-deb")):
            raise UnavailableError("there is no apt-get here")
        shutil.rmtree(folder, ignore_errors=True)
        fetched = _fetch(folder)
        _unpack(fetched, folder / "root")
        version = _run(*Root(folder / "root").command("asterisk", "-V"))
        shutil.rmtree(folder / "apt")
        done.write_text(version.strip())
    return done.read_text()


def _fetch(folder: Path) -> list[Path]:
    """All packages, chosen and checked by an apt of our own that thinks that nothing is installed."""
    apt = folder / "apt"
    for part in ("lists/partial", "archives/partial", "none"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (apt / "sources.list").write_text(f"deb {signed}{_mirror()} sid main\n")
    (apt / "apt.conf").write_text(
        f'Dir::State "{apt}"; Dir::State::status "{apt}/status"; Dir::Cache "{apt}";\n'
        f'Dir::Etc::sourcelist "{apt}/sources.list"; Dir::Etc::sourceparts "{apt}/none";\n'
        f'Dir::Etc::preferencesparts "{apt}/none"; APT::Install-Recommends "false";\n'
        'APT::Sandbox::User "root";\n'
    )
    _run("apt-get", "-q", "update", apt_config=apt / "apt.conf")
    _run("apt-get", "-qy", "--download-only", "install", *_PACKAGES, apt_config=apt / "apt.conf")
    return sorted((apt / "archives").glob("*.deb"))


def _mirror() -> str:
    """Where this machine has its Debian from."""
    indices = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    mirrors = [line for line in sorted(set(indices.split())) if line.endswith("/debian/")]
    return mirrors[0] if mirrors else "http://deb.debian.org/debian/"


def _unpack(packages: list[Path], root: Path) -> None:
    """Unpacked, not installed: no script of a package is run.  base-files has the links that others rely on."""
    root.mkdir(parents=True)
    for package in (_one(packages, "base-files"), *packages):
        _run("dpkg-deb", "-x", str(package), str(root))


def _one(packages: list[Path], name: str) -> Path:
    return next(path for path in packages if path.name.startswith(f"{name}_"))


def _run(*command: str, apt_config: Path | None = None) -> str:
    environment = dict(os.environ) | ({"APT_CONFIG": str(apt_config)} if apt_config else {})
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ran.returncode:
        complaint = (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UnavailableError(f"{' '.join(command[:4])}: {complaint}")
    return ran.stdout


if __name__ == "__main__":
    try:
        version = install(Path(sys.argv[1]).resolve())
        sys.stdout.write(f"{version} of Debian unstable\n")
    except UnavailableError as exc:
        sys.stdout.write(f"Debian's Asterisk cannot be had here: {exc}\n")
        sys.exit(UNAVAILABLE)
