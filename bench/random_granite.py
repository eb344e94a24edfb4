"""A Granite model with random weights, at true size or tiny; it is as fast as one with trained weights."""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    Blip2QFormerConfig,
    GraniteConfig,
    GraniteSpeechConfig,
    GraniteSpeechEncoderConfig,
    GraniteSpeechForConditionalGeneration,
)

from workers.engines.granite.compat import modules_of
from workers.engines.granite.engine import GraniteEngine
from workers.engines.granite.interfaces import EngineOptions
from workers.engines.granite.loading import capabilities, longest, prepared, take_apart
from workers.engines.granite.model import DecoderFactory, LoadedModel
from workers.engines.granite.settings import GraniteSettings
from workers.engines.granite.text.precision import Precision
from workers.engines.granite.text.prompts import GRANITE_4_0
from workers.engines.granite.text.tokenizer import Tokens

RATE = 16_000
TOKENS_PER_SECOND = 3.5

TRUE: dict[str, dict[str, Any]] = {
    "encoder": {
        "input_dim": 160, "num_layers": 16, "hidden_dim": 1024, "feedforward_mult": 4, "num_heads": 8,
        "dim_head": 128, "output_dim": 348, "context_size": 200, "max_pos_emb": 512, "conv_kernel_size": 15,
        "conv_expansion_factor": 2,
    },
    "projector": {
        "hidden_size": 1024, "num_hidden_layers": 2, "num_attention_heads": 16, "intermediate_size": 4096,
        "encoder_hidden_size": 1024, "cross_attention_frequency": 1, "max_position_embeddings": 2048,
        "use_qformer_text_input": False,
    },
    "text": {
        "vocab_size": 100_353, "hidden_size": 2048, "intermediate_size": 4096, "num_hidden_layers": 40,
        "num_attention_heads": 16, "num_key_value_heads": 4, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
        "attention_multiplier": 1 / 128, "embedding_multiplier": 12.0, "residual_multiplier": 0.22,
        "logits_scaling": 8.0, "tie_word_embeddings": False,
    },
}  # fmt: skip
TINY: dict[str, dict[str, Any]] = {
    "encoder": TRUE["encoder"] | {"num_layers": 2, "hidden_dim": 64, "num_heads": 4, "dim_head": 16},
    "projector": TRUE["projector"]
    | {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "encoder_hidden_size": 64},
    "text": TRUE["text"]
    | {"vocab_size": 2_000, "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2,
       "num_attention_heads": 4, "num_key_value_heads": 2},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bench:
    """A model with random weights, and engines that use it."""

    model: Any
    parts: LoadedModel

    def decoder_factory(self, rows: int, seconds: float, *, graphs: bool) -> DecoderFactory:
        """Allocate room for `rows` segments of `seconds`."""
        return self.parts.decoder_factory(rows, longest(seconds, 200), graphs=graphs)

    def engine(self, decoder_factory: DecoderFactory, seconds: float) -> GraniteEngine:
        """An engine whose texts have a fixed length: no end tokens, no check of keywords."""
        rows = decoder_factory.cache.slots
        rules = EngineOptions(GRANITE_4_0, rows, seconds, 200, 0.0, lambda: 0, most=text_length)
        can = capabilities(GraniteSettings(model="random", max_seconds=seconds), rows)
        return GraniteEngine(
            can, rules, self.parts.frontend, self.parts.prompts, decoder_factory.endless()
        )


def text_length(samples: int) -> int:
    """Length of the text, in tokens, for `samples` samples at 16 kHz."""
    return max(1, round(TOKENS_PER_SECOND * samples / RATE))


def build(
    sizes: dict[str, dict[str, Any]],
    device: torch.device,
    precision: Precision = Precision.FULL,
    *,
    as_on_gpu: bool = False,
) -> Bench:
    """
    A model with random weights of `sizes`.

    Its data type is that of the engine on `device`, or with `as_on_gpu` that of the engine on a GPU.
    """
    made = _model(sizes, device)
    model = prepared(made.bfloat16() if as_on_gpu else made, device)
    return Bench(model, take_apart(model, tokens_of(sizes["text"]["vocab_size"]), precision))


def save(sizes: dict[str, dict[str, Any]], folder: Path) -> Path:
    """Write a model with random weights of `sizes` into `folder`, as one file in fp32.  Returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _model(sizes, torch.device("cpu")).save_pretrained(folder)
    write_tokenizer(sizes["text"]["vocab_size"], folder / "tokenizer.json")
    return folder


def _model(sizes: dict[str, dict[str, Any]], device: torch.device) -> Any:
    text = GraniteConfig(**sizes["text"], bos_token_id=1, eos_token_id=1, pad_token_id=0)
    config = GraniteSpeechConfig(
        text_config=text, encoder_config=GraniteSpeechEncoderConfig(**sizes["encoder"]),
        projector_config=Blip2QFormerConfig(**sizes["projector"]), audio_token_index=text.vocab_size - 1,
        has_lora_adapter=False, tie_word_embeddings=False, window_size=15, downsample_rate=5,
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
    with torch.device(device):
        model = GraniteSpeechForConditionalGeneration(config)
    torch.set_default_dtype(torch.float32)
    modules_of(model).acoustic.encoder.out.bias.data[
        0
    ] = -1e4  # never blank: the noise must count as speech here
    return model


def tokens_of(size: int) -> Tokens:
    """A tokenizer of `size` invented words, so that texts have words to align."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        write_tokenizer(size, path)
        return Tokens.read(path)


def write_tokenizer(size: int, path: Path) -> None:
    """Write the tokenizer of `size` invented words."""
    dice = np.random.default_rng(0)
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = [chr(byte) for byte in plain]
    signs += [chr(256 + place) for place in range(256 - len(plain))]
    words = [
        "Ġ" + "".join(dice.choice(list("aeionrst"), 5)) + str(number) for number in range(size)
    ]
    names = dict.fromkeys(["<|pad|>", "<|end_of_text|>", *signs, *words])
    vocabulary = {name: number for number, name in enumerate(list(names)[: size - 1])}
    vocabulary["<|audio|>"] = size - 1
    special = [
        {"id": vocabulary[name], "content": name, "special": True, "single_word": False, "lstrip": False,
         "rstrip": False, "normalized": False}
        for name in ("<|pad|>", "<|end_of_text|>", "<|audio|>")
    ]  # fmt: skip
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    document = {
        "version": "1.0", "added_tokens": special, "pre_tokenizer": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }  # fmt: skip
    path.write_text(json.dumps(document), "utf-8")
