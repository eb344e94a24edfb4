"""
Install packages with uv, which takes a third of pip's time, from where pip would take them.

    python tests/support/quick_install.py PYTHON ARGUMENT...

`PYTHON`: the interpreter of the environment; `ARGUMENT`: as for `pip install`.  uv does not read pip's configuration, so
it is translated.  If an option of it has no counterpart in uv, or uv fails, pip installs.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

_COUNTERPARTS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
}
"""Option of `pip install` -> option of `uv pip install`.  Each value is a list, separated by white space."""
_CERTIFICATES = "cert"
_NOT_ABOUT_PACKAGES = frozenset(
    {"cache-dir", "default-timeout", "disable-pip-version-check", "no-cache-dir", "no-color", "no-input", "timeout"}
    | {"no-python-version-warning", "progress-bar", "quiet", "require-virtualenv", "retries", "verbose"}
)  # fmt: skip


def settings_of(configuration: Iterable[str]) -> dict[str, str]:
    """
    Return the options for `pip install` in the lines of `pip config list`, such as `global.index-url='https://...'`.

    The section `install` goes before the general one, the environment before both.
    """
    lines, settings = list(configuration), dict[str, str]()
    for section in ("global.", "install.", ":env:."):
        for line in lines:
            if line.startswith(section):
                name, _, text = line.removeprefix(section).partition("=")
                settings[name] = str(ast.literal_eval(text))
    return settings


def uv_options(settings: Mapping[str, str]) -> list[str] | None:
    """Return the options of `uv pip install` for those of `pip install`, or None if one has no counterpart."""
    if settings.keys() - _COUNTERPARTS.keys() - _NOT_ABOUT_PACKAGES - {_CERTIFICATES}:
        return None
    return [
        part
        for name, option in _COUNTERPARTS.items()
        for value in settings.get(name, "").split()
        for part in (option, value)
    ]


def install(python: str, arguments: Sequence[str]) -> int:
    """Install into the environment of `python`.  Returns the exit status."""
    pip = (sys.executable, "-m", "pip")
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True)
    settings = settings_of(listed.stdout.splitlines())
    if (options := uv_options(settings)) is not None:
        # Like pip, uv then takes the best version of all indexes, not of the first that has the package.
        uv = (
            sys.executable,
            "-m",
            "uv",
            "--quiet",
            "--system-certs",
            "pip",
            "install",
            "--python",
            python,
        )
        command = [*uv, "--index-strategy", "unsafe-best-match", *options, *arguments]
        trusted = {"SSL_CERT_FILE": settings[_CERTIFICATES]} if _CERTIFICATES in settings else {}
        if subprocess.run(command, env=os.environ | trusted, check=False).returncode == 0:
            return 0
    sys.stderr.write("uv cannot install here: pip is used\n")
    command = [*pip, "--python", python, "install", "--quiet", "--no-compile", *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(install(sys.argv[1], sys.argv[2:]))
