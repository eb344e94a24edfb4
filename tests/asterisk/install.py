"""
Put Debian's Asterisk and SIPp into a folder: `python tests/asterisk/install.py FOLDER`.

Debian stable has no Asterisk, so both come from unstable, with all that they need, into a root of their own;
nothing of the machine is changed.  Exit status 3 when the packages cannot be had here.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # it runs as a script too

from support.debian import UNAVAILABLE, Source, UnavailableError, run, unpack

_PACKAGES = ("base-files", "asterisk", "sip-tester")
_CHROOT = shutil.which("chroot") or "/usr/sbin/chroot"
"""Debian has it in a folder that is not on the path of ordinary users."""


@dataclass(frozen=True, slots=True)
class Root:
    """
    The unpacked packages. Programs run with this folder as their root, because their libraries differ from ours.
    """

    folder: Path

    def command(self, program: str, *words: str) -> tuple[str, ...]:
        """Run `program` inside; a user other than root becomes root in a namespace of its own."""
        # the user's PATH may lack sbin
        folder = "sbin" if (self.folder / "usr/sbin" / program).exists() else "bin"
        enter = () if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user")
        return (*enter, _CHROOT, str(self.folder), f"/usr/{folder}/{program}", *words)


def install(folder: Path) -> str:
    """Return the version that Asterisk reports; `folder`/root is complete when the file `folder`/version exists."""
    done = folder / "version"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        unpack(Source("sid").fetch(folder, _PACKAGES), folder / "root")
        version = run(*Root(folder / "root").command("asterisk", "-V"))
        shutil.rmtree(folder / "apt")
        done.write_text(version.strip())
    return done.read_text()


if __name__ == "__main__":
    try:
        version = install(Path(sys.argv[1]).resolve())
        sys.stdout.write(f"{version} of Debian unstable\n")
    except UnavailableError as exc:
        sys.stdout.write(f"Debian's Asterisk cannot be had here: {exc}\n")
        sys.exit(UNAVAILABLE)
