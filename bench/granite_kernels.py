"""
Kernels and host time of the Granite engine, at true depth and small width, on a CPU.

    python bench/granite_kernels.py                        # this checkout
    python bench/granite_kernels.py --root ../other        # another one, for a comparison before and after
    python bench/granite_kernels.py --precision fp8        # with FP8 matrices

A kernel is an operation that computes: views are not counted.  `linear`, `rms_norm` and attention count as one
each, as a GPU runs them, and so do our own operators, which are Triton kernels on a GPU.  The width of the model
has no effect on the number of kernels, its depth has.  `--precision fp8` counts those of bf16, as on a GPU.  Its
CPU times say nothing, because torch computes FP8 on a CPU with other operations.
"""

# ruff: noqa: ANN401, PLC0415 - the modules of the checkout that `--root` names are imported late, and without types

import argparse
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

_FREE = {
    "detach",
    "detach_",
    "dropout",
    "lift_fresh",
    "empty",
    "new_empty",
    "empty_like",
    "reshape",
    "flatten",
    "device",
    "sym_size",
    "chunk",
}
"""Operations without a kernel that are not marked as views."""


class KernelCounter(TorchDispatchMode):
    """Counts operations that compute, by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func._schema.name).partition("::")[2]
        if not func.is_view and name not in _FREE and str(func.namespace) in {"aten", "trunkline"}:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def kernels(act: Callable[[], object]) -> Counter[str]:
    """The kernels of one call of `act`, by name."""
    counter = KernelCounter()
    with counter:
        act()
    return counter.counts


def spent(act: Callable[[], object], repeats: int) -> float:
    """CPU time of the cheapest of `repeats` calls, in milliseconds: other processes hardly change it."""
    taken = []
    for _ in range(repeats):
        before = time.process_time()
        act()
        taken.append(1e3 * (time.process_time() - before))
    return min(taken)


def noise(seconds: float, seed: int) -> Any:
    """Random audio, float32, `[n]`, at 16 kHz."""
    made = np.random.default_rng(seed).standard_normal(round(seconds * 16_000))
    return (0.1 * made).astype(np.float32)


class Still:
    """A stepper without a model: the host's own work remains."""

    def __init__(self, state: Any) -> None:
        self._count = 0
        self.state = state

    def step(
        self, tokens: Sequence[int], positions: Sequence[int]
    ) -> tuple[list[int], list[float]]:
        """Other tokens each time, so that no text ends."""
        self._count += 1
        return self._made(len(tokens))

    def queue(self, rows: int, width: int) -> Callable[[], tuple[list[int], list[float]]]:
        """The same, for a loop that runs one step ahead."""
        self._count += 1
        made = self._made(rows)
        return lambda: made

    def _made(self, rows: int) -> tuple[list[int], list[float]]:
        return [(self._count * 7 + row) % 1_000 + 3 for row in range(rows)], [-0.1] * rows


def measure(rows: int, host_rows: int, repeats: int, precision: str) -> None:
    """Print the table for this machine."""
    from bench.random_granite import TRUE, build
    from workers.engines.granite.text.decode import DecodeRow

    narrow = {
        "encoder": TRUE["encoder"] | {"hidden_dim": 64, "dim_head": 8},
        "projector": TRUE["projector"]
        | {"hidden_size": 64, "intermediate_size": 128, "encoder_hidden_size": 64},
        "text": TRUE["text"] | {"vocab_size": 2_000, "hidden_size": 128, "intermediate_size": 256},
    }
    parts = build(narrow, torch.device("cpu"), **_precise(precision)).parts
    clips = [noise(5.0, seed) for seed in range(rows)]
    features = _features(parts, clips)
    heard = parts.frontend.encode(features)
    audio = parts.frontend.audio_tokens(heard)
    prompts = [parts.prompts.prompt(one, "transcribe this", ()) for one in audio]
    factory = parts.decoder_factory(max(rows, host_rows), 1_024, graphs=False)
    decoder = factory.endless()

    def admit() -> None:
        decoder.withdraw()
        decoder.admit([DecodeRow(number, one, 900) for number, one in enumerate(prompts)])

    encoder = parts.frontend._encoder
    acts: list[tuple[str, Callable[[], object]]] = [
        ("mel", lambda: _features(parts, clips)),
        ("encoder and CTC head", lambda: parts.frontend.encode(features)),
        ("prefill", admit),
        ("decode step", decoder.step),
    ]
    print(f"| {rows} rows of 5 s | kernels | the most frequent | CPU time, ms |\n|---|---|---|---|")
    for name, act in acts:
        act()
        parts.llm.with_operators = encoder.with_operators = True  # as on a GPU: slower here
        counts = kernels(act)
        parts.llm.with_operators = encoder.with_operators = False
        often = ", ".join(f"{count} {one}" for one, count in counts.most_common(8))
        print(f"| {name} | {counts.total()} | {often} | {spent(act, repeats):.1f} |", flush=True)
    many = [prompts[number % rows] for number in range(host_rows)]
    print(
        f"| stop rules and bookkeeping of a step of {host_rows} rows at 60 tokens | | |"
        f" {_host(factory, many, repeats):.3f} |"
    )


def _precise(precision: str) -> dict[str, Any]:
    """Arguments for the model: none for `full`, which older checkouts know too."""
    if precision == "full":
        return {}
    from workers.engines.granite.text.precision import Precision

    return {"precision": Precision(precision), "as_on_gpu": True}


def _features(parts: Any, clips: Sequence[Any]) -> list[Any]:
    wholes = getattr(parts.frontend, "wholes", None)
    with torch.inference_mode():
        return list(wholes(clips) if wholes else [parts.frontend.whole(clip) for clip in clips])


def _host(factory: Any, prompts: Sequence[Any], repeats: int) -> float:
    """Milliseconds of CPU time of one step on the host, without the model, after 60 tokens."""
    from workers.engines.granite.text.decode import BatchDecoder, DecodeRow

    decoder = BatchDecoder(
        factory.llm,
        factory.cache,
        Still(getattr(factory.stepper, "state", None)),
        frozenset({1}),
        cut_loops=True,
    )
    decoder.admit([DecodeRow(number, one, 256) for number, one in enumerate(prompts)])
    for _ in range(60):
        decoder.step()
    return spent(decoder.step, max(20, repeats))


def main() -> None:
    """Print the table of one checkout."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--host-rows", type=int, default=64, help="rows of the host's own work")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=["full", "fp8"], default="full")
    chosen = parser.parse_args()
    sys.path.insert(0, str(chosen.root.resolve()))
    from bench.recipe import recipe

    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread; {recipe()}")
    print(f"command: python bench/granite_kernels.py {shlex.join(sys.argv[1:])}\n")
    measure(chosen.rows, chosen.host_rows, chosen.repeats, chosen.precision)


if __name__ == "__main__":
    main()
