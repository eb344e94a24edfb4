"""Sessions of onnxruntime for the graphs that `constant_folding` makes: one thread, no waiting in a loop."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

Floats = npt.NDArray[np.float32]

_CPU_INFO = Path("/proc/cpuinfo")
_EXACT = frozenset({"avx512_vnni", "avx_vnni"})
"""Abilities of an x86 processor (VNNI) with which onnxruntime adds 8-bit products in 32 bits."""


class Net(Protocol):
    """The part of onnxruntime's InferenceSession that is used here."""

    def run(self, outputs: None, feed: Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
        """Run the graph on inputs by name.  Returns all outputs in order."""
        ...


@dataclass(frozen=True, slots=True)
class Sessions:
    """The three graphs that `constant_folding` makes."""

    encoder: Net
    cross: Net
    step: Net


def open_sessions(folder: Path) -> Sessions:
    """Open the three graphs in `folder`.  Products of 8 bits are exact on every processor."""
    exact = is_exact(_cpu_info())
    return Sessions(
        *(
            open_session(folder / f"{name}.onnx", precise=not exact)
            for name in ("encoder", "cross", "step")
        )
    )


def open_session(path: Path, *, precise: bool) -> Net:
    """
    Open one graph.

    `precise`: add 8-bit products exactly on x86 processors without VNNI, which otherwise add them in 16 bits, where
    they saturate: the words would differ by machine.  With VNNI the results are the same to the last bit without
    it, and the encoder takes a third less time (`bench/partials.py`).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # A spinning thread occupies the core that another worker needs: on a busy machine twice as slow.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.x64quantprecision", "1" if precise else "0")
    options.log_severity_level = 3
    net: Net = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return net


def is_exact(cpu_info: str) -> bool:
    """
    Whether onnxruntime adds 8-bit products exactly without being told to.

    `cpu_info`: text of Linux's `/proc/cpuinfo`, which lists the abilities of each core.  Without it, False.
    """
    cores = [
        frozenset(line.partition(":")[2].split())
        for line in cpu_info.splitlines()
        if line.startswith("flags")
    ]
    return bool(cores) and all(_EXACT & core for core in cores)


def _cpu_info() -> str:
    """The text of `/proc/cpuinfo`; empty where there is none, and on processors other than x86."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ""
    try:
        return _CPU_INFO.read_text("utf-8")
    except (OSError, ValueError):
        return ""
