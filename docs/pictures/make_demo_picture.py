"""
Make docs/pictures/demo.svg: the demo on a terminal, half a minute before its end.

Runs `trunkline demo` under tmux (install it first), captures the screen during speech, and draws it with rich.
The captured screen is not edited.
"""

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

_SESSION = "trunkline-demo-picture"
_COLUMNS, _LINES = 104, 34


def tmux(*arguments: str) -> str:
    """Run one tmux command and return its output."""
    done = subprocess.run(["tmux", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def main() -> None:
    """Run the demo, wait for a partial late in the call, capture the screen and draw it."""
    command = f"{sys.executable} -m trunkline demo --port 0"
    size = ("-x", str(_COLUMNS), "-y", str(_LINES))
    tmux("new-session", "-d", "-s", _SESSION, *size, command)
    try:
        screen = ""
        while not ("free of charge" in screen and "…" in screen):
            time.sleep(0.2)
            screen = tmux("capture-pane", "-e", "-p", "-t", _SESSION)
    finally:
        tmux("kill-session", "-t", _SESSION)
    console = Console(record=True, width=_COLUMNS, file=Path("/dev/null").open("w"))  # noqa: SIM115
    console.print(Text.from_ansi("\n".join(line for line in screen.splitlines() if line.strip())))
    console.save_svg(str(Path(__file__).parent / "demo.svg"), title="make demo (a synthetic call)")


if __name__ == "__main__":
    main()
