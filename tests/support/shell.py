"""Start `trunkline` as users do: from bash, with the ordinary variables of a shell."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROMPT = sorted((ROOT / "tests" / "speech" / "prompts").glob("*.wav"))[0]

ORDINARY = """
export LANG=de_DE.ISO-8859-1 LC_ALL=C TERM=xterm EDITOR=vi
export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 no_proxy=
export TRUNKLINE_GATEWAY_PORT_8080_TCP=tcp://10.3.0.7:8080 TRUNKLINE_GATEWAY_SERVICE_HOST=10.3.0.7
"""
"""`_` is set by bash itself; the last line is what Kubernetes adds."""


def script(commands: str, tmp_path: Path) -> list[str]:
    """Return the command line of a bash script in which `trunkline` is this checkout."""
    trunkline = f'trunkline() {{ {shlex.quote(sys.executable)} -m trunkline "$@"; }}\n'
    data = f"WAV={shlex.quote(str(PROMPT))}\nexport XDG_DATA_HOME={shlex.quote(str(tmp_path))}\n"
    return ["bash", "--noprofile", "--norc", "-c", ORDINARY + data + trunkline + commands]


def clean() -> dict[str, str]:
    """Return the environment without settings of Trunkline."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}


def bash(commands: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run `commands` to their end; `$WAV` is a recording of speech."""
    return subprocess.run(
        script(commands, tmp_path), env=clean(), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
