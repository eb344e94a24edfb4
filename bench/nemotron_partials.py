"""
CPU time of an utterance with partials on the Nemotron engine, with the kept state and without.

    python bench/nemotron_partials.py
    python bench/nemotron_partials.py --quarter --chunks 560

A model of the true size (or with a quarter of the encoder's layers) with random weights, made in memory: the time
of the encoder does not depend on the values of the weights.  The model is made to write no tokens; what a token
costs is measured by itself.  Needs 3 GB of memory.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from transformers.models.nemotron3_5_asr import Nemotron3_5AsrConfig, Nemotron3_5AsrForRNNT
from transformers.models.nemotron_asr_streaming import (
    NemotronAsrStreamingEncoderConfig,
    NemotronAsrStreamingFeatureExtractor,
)

from bench.recipe import recipe
from workers.engines.base import Effort, Samples, Utterance
from workers.engines.nemotron.audio_features import AudioFeatures
from workers.engines.nemotron.engine import Nemotron
from workers.engines.nemotron.faster_encoder import halve_matrices, keep_positions
from workers.engines.nemotron.streaming_encoder import StreamingEncoder
from workers.engines.nemotron.transducer import Transducer

RATE = 16_000


class NoTokens:
    """The model writes none."""

    def id_to_token(self, id: int) -> str | None:  # noqa: A002
        """See Tokenizer."""
        raise NotImplementedError

    def decode(self, ids: object, skip_special_tokens: bool = True) -> str:  # noqa: FBT001, FBT002
        """See Tokenizer."""
        raise NotImplementedError


def made_model(layers: int) -> Any:  # noqa: ANN401 - transformers has no types here
    """The architecture of nemotron-3.5-asr-streaming-0.6b with random weights; it never speaks."""
    encoder = NemotronAsrStreamingEncoderConfig(
        num_hidden_layers=layers, num_mel_bins=128, sliding_window=57, attention_bias=False, convolution_bias=False,
        scale_input=False, default_num_lookahead_tokens=3,
    )  # fmt: skip
    model = Nemotron3_5AsrForRNNT(Nemotron3_5AsrConfig(encoder_config=encoder)).eval()
    with torch.no_grad():
        model.joint.head.bias[model.config.blank_token_id] = 1e4
    return model.requires_grad_(requires_grad=False)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process for `work`, all threads together."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> None:
    """Print one row for each length of chunks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two partials")
    parser.add_argument(
        "--chunks", type=int, nargs="+", default=[320, 560, 1120], help="milliseconds"
    )
    parser.add_argument("--quarter", action="store_true", help="6 layers instead of 24")
    parser.add_argument("--precisions", nargs="+", default=["full", "bf16"], help="in this order")
    said = parser.parse_args()
    torch.set_num_threads(1)
    model = made_model(6 if said.quarter else 24)
    noise = np.random.default_rng(0).standard_normal(round(said.seconds * RATE))
    samples: Samples = (0.05 * noise).astype(np.float32)
    ends = [round(end * RATE) for end in np.arange(said.every, said.seconds, said.every)]
    print(recipe())
    print(
        f"{sum(one.numel() for one in model.parameters()) / 1e6:.0f} M parameters, fp32, one thread"
    )
    keep_positions(model.encoder)
    print(
        "| matrices | chunk, ms | partials | whole chunks | final | no state | final alone | ratio |"
    )
    for precision in said.precisions:
        if precision == "bf16":
            halve_matrices(model.encoder)
        for chunk in said.chunks:
            print(f"| {precision} {row(model, chunk, samples, ends)}", flush=True)
    print(f"{1e3 * token_seconds(model):.1f} ms for each token")


def row(model: Any, chunk: int, samples: Samples, ends: Sequence[int]) -> str:  # noqa: ANN401 - as above
    """A row of the table: partials at `ends`, and the final of all `samples`."""
    features = AudioFeatures(NemotronAsrStreamingFeatureExtractor(feature_size=128))
    encoder = StreamingEncoder(model, features, chunk // 80 - 1)

    def engine(*, provisional: bool = True) -> Nemotron:
        return Nemotron(
            encoder, Transducer(model), NoTokens(), {"en": 0}, "made", 4, provisional=provisional
        )

    def partials(engine: Nemotron, key: str) -> float:
        def work() -> None:
            for end in ends:
                engine.transcribe([Utterance(samples[:end], Effort.PARTIAL, key=key)])

        return cpu_seconds(work)

    def final(engine: Nemotron, key: str) -> float:
        return cpu_seconds(lambda: engine.transcribe([Utterance(samples, key=key)]))

    keeping, plain = engine(), engine(provisional=False)
    plain.transcribe([Utterance(samples[: 2 * RATE])])
    kept, last = partials(keeping, "one"), final(keeping, "one")
    coarse = partials(plain, "one")
    whole, alone = partials(keeping, ""), final(keeping, "")
    ratio = (whole + alone) / (kept + last)
    return f"| {chunk} | {kept:.1f} | {coarse:.1f} | {last:.1f} | {whole:.1f} | {alone:.1f} | {ratio:.1f} |"


def token_seconds(model: Any) -> float:  # noqa: ANN401 - as above
    """CPU time of one step of the prediction network and the score of one frame, mean of 50."""
    transducer = Transducer(model)
    frames = torch.zeros(1, model.config.decoder_hidden_size)

    def tokens() -> None:
        state = transducer.start
        for _ in range(50):
            state = transducer._predicted(1, state)
            transducer.decode(state, frames, 0)

    return cpu_seconds(tokens) / 50


if __name__ == "__main__":
    main()
