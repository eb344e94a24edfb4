"""Programs that are not Python packages, installed from Debian where that is possible."""

import os
import shutil
import subprocess

_INSTALL_SECONDS = 600


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
