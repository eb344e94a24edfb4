"""Third-party clients, run as processes in the environment of `make clients`."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcripts.wer import WordErrors, word_errors

ROOT = Path(__file__).parent.parent.parent
BIN = ROOT / ".venv-clients" / "bin"
SCRIPTS = ROOT / "tests" / "clients" / "scripts"
LONG = 120
"""Seconds after which a client is given up: nothing waits for it to pass."""


@dataclass(frozen=True)
class Prompt:
    """A recording of a human voice, and its text."""

    path: Path
    text: str
    seconds: float

    def errors(self, heard: str) -> WordErrors:
        return word_errors(self.text, heard)


@dataclass(frozen=True)
class GatewayPorts:
    """The two ports of the gateway, and the key for them."""

    ws: str
    http: str
    key: str
    twilio_token: str
    """The auth token of the Twilio account whose signatures it believes."""

    public: str
    """How Twilio would dial it."""


class Clients:
    """Runs programs with the packages that are installed for clients only."""

    def run(self, program: str, *arguments: object, key: str = "") -> str:
        """Return what the program prints; if it fails, its error output is the failure of the test."""
        done = subprocess.run(
            [BIN / program, *map(str, arguments)],
            capture_output=True, text=True, timeout=LONG, check=False, cwd=SCRIPTS,
            env=os.environ | {"CLIENT_KEY": key},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4_000:]
        return done.stdout

    def speak(self, script: str, *arguments: object, key: str = "") -> list[dict[str, Any]]:
        """Run one of our scripts with the client's library; each line it prints in JSON."""
        lines = self.run("python", f"{script}.py", *arguments, key=key).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def said(lines: list[dict[str, Any]]) -> str:
    """All that was final."""
    return " ".join(line["final"] for line in lines if "final" in line)
