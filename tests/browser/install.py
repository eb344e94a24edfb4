"""
Put Debian's headless Chromium into a folder: `python tests/browser/install.py FOLDER`.

`FOLDER`/chromium starts it.  It comes from the release that this machine uses, with the libraries and the font that
this machine lacks; nothing of the machine is changed.  Exit status 3 when the packages cannot be fetched here.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # it runs as a script too

from support.debian import UNAVAILABLE, Source, UnavailableError, run, unpack

_PACKAGES = (
    "chromium-headless-shell",
    "fonts-inter",
    "fonts-dejavu-core",
    "fonts-noto-color-emoji",
)
_PROGRAM = "usr/lib/chromium/chromium-headless-shell"

_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir><dir>{root}/usr/share/fonts</dir><cachedir>{root}/var/cache/fontconfig</cachedir>
  <alias binding="same"><family>system-ui</family><prefer><family>Inter</family></prefer></alias>
  <alias binding="same"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>
"""

_START = """#!/bin/sh
export LD_LIBRARY_PATH="{libraries}"
export FONTCONFIG_FILE="{folder}/fonts.conf"
exec "{root}/{program}" "$@"
"""


def install(folder: Path) -> str:
    """Return the version that Chromium reports; `folder` is complete when the file `folder`/version exists."""
    done = folder / "version"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        unpack(Source(complete=False).fetch(folder, _PACKAGES), folder / "root")
        version = run(str(_starter(folder)), "--version")
        shutil.rmtree(folder / "apt")
        done.write_text(version.strip())
    return done.read_text()


def _starter(folder: Path) -> Path:
    """Write the program that starts Chromium with its own libraries and fonts, and return it."""
    root, start = folder / "root", folder / "chromium"
    libraries = ":".join(sorted({str(path.parent) for path in root.rglob("*.so*")}))
    if not (root / _PROGRAM).exists():
        raise UnavailableError(f"the package of Chromium has no {_PROGRAM}")
    (folder / "fonts.conf").write_text(_FONTS.format(root=root))
    start.write_text(_START.format(folder=folder, root=root, program=_PROGRAM, libraries=libraries))
    start.chmod(0o755)
    return start


if __name__ == "__main__":
    try:
        version = install(Path(sys.argv[1]).resolve())
        sys.stdout.write(f"{version} of Debian\n")
    except UnavailableError as exc:
        sys.stdout.write(f"Debian's Chromium cannot be fetched here; no browser tests run: {exc}\n")
        sys.exit(UNAVAILABLE)
