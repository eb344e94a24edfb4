"""
CPU time of line quality: microseconds to measure a block of 250 ms, with numpy and with the compiled step.

`python -m bench.line_quality`.  Blocks of the shipped call as they are and through each law of G.711, of white
noise and of digital silence; 1, 4, 12 and 32 of them in one call of `measure_all`.  The least of nine runs.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio import compiled
from streaming.audio.quality.block_stats import BLOCK, measure_all

_CALL = Path(__file__).resolve().parent.parent / "cli" / "demo" / "call.wav"
_GROUPS = (1, 4, 12, 32)
_BLOCKS = 96
_RUNS = 9


def _kinds() -> dict[str, Pcm]:
    voice = np.asarray(read_recording(_CALL).channels[0], dtype=np.int16)[: _BLOCKS * BLOCK]
    noise = np.random.default_rng(1).normal(0, 3_000, len(voice)).astype(np.int16)
    laws = {law.value: decode(encode(voice, law), law) for law in (Encoding.MULAW, Encoding.ALAW)}
    return {"linear": voice, **laws, "noise": noise, "silence": np.zeros_like(voice)}


def _microseconds(blocks: Sequence[Pcm], group: int) -> float:
    """CPU time of a block."""
    least = float("inf")
    for _ in range(_RUNS):
        began = time.thread_time()
        for at in range(0, len(blocks), group):
            part = blocks[at : at + group]
            measure_all(range(len(part)), part)
        least = min(least, time.thread_time() - began)
    return 1e6 * least / len(blocks)


def main() -> None:
    """Print the table."""
    print("| us per block, numpy / compiled |", " | ".join(f"{n} together" for n in _GROUPS), "|")
    print("|---" * (1 + len(_GROUPS)) + "|")
    for name, pcm in _kinds().items():
        blocks = [pcm[at : at + BLOCK] for at in range(0, len(pcm) - BLOCK + 1, BLOCK)]
        cells = []
        for group in _GROUPS:
            times = []
            for wanted in (False, True):
                with compiled.using(wanted=wanted):
                    times.append(_microseconds(blocks, group))
            cells.append(f"{times[0]:.0f} / {times[1]:.1f}")
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
