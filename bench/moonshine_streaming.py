"""
CPU time of the encoder of Moonshine's streaming models for partials: continued, and the whole each time.

    python bench/moonshine_streaming.py [--model FOLDER] [--size small] [--seconds 10] [--rounds 5]

Without a folder, a model of the vendor's size with random weights is made: the time does not depend on the weights.
Both ways take turns, so compare the columns of one run only.  What the decoder hears (keys and values of the
encoder's vectors) is counted too; the search for the text is not, because random weights write no real text.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from transformers import (
    MoonshineStreamingConfig,
    MoonshineStreamingEncoderConfig,
    MoonshineStreamingForConditionalGeneration,
)

from bench.recipe import recipe
from protocol.clock import ENGINE_RATE
from workers.engines.base import Samples
from workers.engines.moonshine_streaming.decoder import Heard, StreamingDecoder
from workers.engines.moonshine_streaming.encoder import StreamingEncoder
from workers.engines.moonshine_streaming.open_utterances import OpenUtterances

_EVERY = 0.5
"""Seconds between partials, as the gateway requests them."""

SIZES = {
    "tiny": (6, 320, 320, 8, 40),
    "small": (10, 620, 512, 8, 64),
    "medium": (14, 768, 640, 10, 64),
}
"""
Layers, width of the encoder, width of the decoder, heads, size of a head: as published of the vendor's models.

The inner layers are taken as four times as wide, as in `tiny`.
"""


def made(size: str) -> Any:  # noqa: ANN401 - transformers has no type for it here
    """A model of the vendor's size with random weights."""
    layers, width, written, count, head = SIZES[size]
    heads: dict[str, Any] = {
        "num_attention_heads": count, "num_key_value_heads": count, "head_dim": head,
        "num_hidden_layers": layers,
    }  # fmt: skip
    windows = [[16, 4], [16, 4], *[[16, 0]] * (layers - 4), [16, 4], [16, 4]]
    encoder = MoonshineStreamingEncoderConfig(
        hidden_size=width, intermediate_size=4 * width, sliding_windows=windows, **heads
    )
    config = MoonshineStreamingConfig(
        encoder_config=encoder, hidden_size=written, intermediate_size=4 * written, **heads
    )
    return (
        MoonshineStreamingForConditionalGeneration(config)
        .eval()
        .requires_grad_(requires_grad=False)
    )


def cpu_time(work: Callable[[], Generator[None, None, Heard]]) -> float:
    """CPU milliseconds of all steps of `work`."""
    start, steps = time.process_time(), work()
    for _ in steps:
        pass
    return 1_000 * (time.process_time() - start)


def one_round(
    encoder: StreamingEncoder, decoder: StreamingDecoder, samples: Samples
) -> tuple[list[float], list[float]]:
    """CPU milliseconds of each partial: continued, and whole."""
    utterances = OpenUtterances(encoder, decoder)
    continued, whole = [], []
    step = round(_EVERY * ENGINE_RATE)
    for end in range(step, len(samples) + 1, step):
        heard = samples[:end]
        continued.append(cpu_time(lambda heard=heard: utterances.grown("key", heard)))  # type: ignore[misc]
        whole.append(cpu_time(lambda heard=heard: utterances.whole(heard)))  # type: ignore[misc]
    return continued, whole


def row(name: str, rounds: Sequence[Sequence[float]]) -> str:
    """A line of the table: all partials of an utterance together, the first, and the last."""
    total = statistics.median(sum(one) for one in rounds)
    first, last = (statistics.median(one[place] for one in rounds) for place in (0, -1))
    return f"| {name} | {total:.0f} ms | {first:.1f} ms | {last:.1f} ms |"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--model", type=Path, help="a folder with a model; default: random weights")
    parser.add_argument("--size", choices=SIZES, default="tiny", help="of the random weights")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the utterance")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = (
        MoonshineStreamingForConditionalGeneration.from_pretrained(chosen.model).eval()
        if chosen.model
        else made(chosen.size)
    )
    encoder, decoder = StreamingEncoder(model.model.encoder), StreamingDecoder(model)
    noise = np.random.default_rng(1).normal(0.0, 0.1, round(chosen.seconds * ENGINE_RATE))
    samples = noise.astype(np.float32)
    one_round(encoder, decoder, samples[: 2 * ENGINE_RATE])  # warms up
    rounds = [one_round(encoder, decoder, samples) for _ in range(chosen.rounds)]
    print(recipe())
    print(
        f"{chosen.seconds:.0f} s, a partial every {_EVERY} s, medians of {chosen.rounds} rounds\n"
    )
    print("| encoder | all partials | first | last |\n|---|---|---|---|")
    print(row("continued", [one for one, _ in rounds]))
    print(row("whole each time", [one for _, one in rounds]))
    shares = [sum(whole) / sum(continued) for continued, whole in rounds]
    print(
        f"\nwhole / continued: {statistics.median(shares):.1f} ({min(shares):.1f} to {max(shares):.1f})"
    )


if __name__ == "__main__":
    main()
