"""
A folder laid out as the vendor's repository of granite-4.0-1b-speech, at small width.

The file names, the layout of the weights (three shards in bfloat16 with an index, with the names of transformers 4),
the config with its contradictory data types, the ids of the special tokens and all hyper-parameters except the
widths are those of the real repository.  There is no `generation_config.json`.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the optional extra `granite` is not installed")

import torch
from support import tiny_granite
from support.tiny_granite import AUDIO, TEMPLATE, Samples

CLIP = "multilingual_sample.wav"
SAID = "let go one garden"
NAMES = frozenset(
    {
        ".gitattributes", "README.md", "added_tokens.json", "chat_template.jinja", "config.json", "merges.txt",
        "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors",
        "model.safetensors.index.json", CLIP, "preprocessor_config.json", "processor_config.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.json",
    }
)  # fmt: skip
"""All names of the manifest of the pinned commit."""

VOCABULARY = 100_353
PAD, END, UNKNOWN, AUDIO_ID = 100_256, 100_257, 100_269, 100_352

_ENCODER = {
    "context_size": 200, "conv_expansion_factor": 2, "conv_kernel_size": 15, "dim_head": 8, "dropout": 0.1,
    "feedforward_mult": 4, "hidden_dim": 64, "input_dim": 160, "max_pos_emb": 512,
    "model_type": "granite_speech_encoder", "num_heads": 8, "num_layers": 16, "output_dim": 348,
    "torch_dtype": "bfloat16",
}  # fmt: skip
_PROJECTOR = {
    "_attn_implementation_autoset": True, "attention_probs_dropout_prob": 0.1, "cross_attention_frequency": 1,
    "encoder_hidden_size": 64, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 64,
    "initializer_range": 0.02, "intermediate_size": 256, "layer_norm_eps": 1e-12, "max_position_embeddings": 2048,
    "model_type": "blip_2_qformer", "num_attention_heads": 16, "num_hidden_layers": 2,
    "position_embedding_type": "absolute", "torch_dtype": "bfloat16", "use_qformer_text_input": False,
    "vocab_size": 30522,
}  # fmt: skip
_TEXT = {
    "attention_bias": False, "attention_dropout": 0.0, "attention_multiplier": 0.0078125, "bos_token_id": END,
    "dtype": "float32", "embedding_multiplier": 12.0, "eos_token_id": END, "hidden_act": "silu",
    "hidden_size": 64, "initializer_range": 0.1, "intermediate_size": 128, "logits_scaling": 8.0,
    "max_position_embeddings": 4096, "mlp_bias": False, "model_type": "granite", "num_attention_heads": 16,
    "num_hidden_layers": 40, "num_key_value_heads": 4, "pad_token_id": PAD, "residual_multiplier": 0.22,
    "rms_norm_eps": 1e-05, "rope_parameters": {"rope_theta": 10000, "rope_type": "default"}, "rope_scaling": None,
    "rope_theta": 10000.0, "torch_dtype": "bfloat16", "use_cache": True, "vocab_size": VOCABULARY,
}  # fmt: skip
CONFIG = {
    "architectures": ["GraniteSpeechForConditionalGeneration"], "audio_token_index": AUDIO_ID, "downsample_rate": 5,
    "encoder_config": _ENCODER, "has_lora_adapter": False, "initializer_range": 0.02, "model_type": "granite_speech",
    "projector_config": _PROJECTOR, "text_config": _TEXT, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "transformers_version": "4.54.0", "window_size": 15,
}  # fmt: skip
_EXTRACTOR = {
    "feature_extractor_type": "GraniteSpeechFeatureExtractor",
    "melspec_kwargs": {"hop_length": 160, "n_fft": 512, "n_mels": 80, "sample_rate": 16000, "win_length": 400},
    "processor_class": "GraniteSpeechProcessor", "projector_downsample_rate": 5, "projector_window_size": 15,
    "sampling_rate": 16000,
}  # fmt: skip


def build(folder: Path, seed: int = 0, head_size: int | None = None) -> Path:
    """
    Write the repository into `folder`.

    `head_size`: of the language model; unset: its width divided by its heads, which is too small for vLLM.
    """
    config = CONFIG
    if head_size is not None:
        config = CONFIG | {"text_config": _TEXT | {"head_dim": head_size}}
    _write_tokenizer(folder)
    _write(folder, "config.json", config)
    _write(folder, "preprocessor_config.json", _EXTRACTOR)
    _write(folder, "processor_config.json", {"processor_class": "GraniteSpeechProcessor"})
    (folder / "chat_template.jinja").write_text(TEMPLATE, "utf-8")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A card\n", "utf-8")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    write_float_wav(folder / CLIP, clip())
    _write_weights(folder, config, seed)
    return folder


def clip() -> Samples:
    """The speech in the sample of the repository: `SAID` in the sounds of the tiny alphabet."""
    return tiny_granite.spoken(SAID, 3)


def answers(vendor: tuple[Any, Any]) -> dict[str, Any]:
    """Known answers of the repository, as the reference implementation gives them."""
    processor, model = vendor
    instruction = "can you transcribe the speech into a written format?"
    ids = tiny_granite.generated(vendor, clip(), instruction, 12)
    silence = torch.zeros(44_640)
    inputs = processor(f"USER: {AUDIO}{instruction}\n ASSISTANT:", silence, return_tensors="pt")
    sentence = "the quick brown fox jumps over the lazy dog"
    return {
        "sentence": {
            "text": sentence,
            "ids": processor.tokenizer(sentence)["input_ids"],
            "end": model.config.text_config.eos_token_id,
        },
        "counts": {
            "samples": len(silence),
            "encoder_frames": inputs["input_features"].shape[1],
            "audio_tokens": int((inputs["input_ids"] == AUDIO_ID).sum()),
            "prompt_tokens": inputs["input_ids"].shape[1],
        },
        "clip": {
            "max_tokens": len(ids),
            "ids": ids,
            "contains": processor.tokenizer.decode(ids[:2]).strip(),
        },
    }


def manifest(folder: Path) -> str:
    """The hashes of all files, as `sha256sum *` prints them."""
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
    )


def write_float_wav(path: Path, samples: Samples) -> None:
    """Write a WAV file of 32-bit floats, one channel at 16 kHz, with a `fact` chunk as the real sample has."""
    body = samples.astype("<f4").tobytes()
    layout = struct.pack("<HHIIHHH", 3, 1, 16_000, 64_000, 4, 32, 0)
    fact = struct.pack("<I", len(samples))
    chunks = b"".join(
        name + struct.pack("<I", len(chunk)) + chunk
        for name, chunk in ((b"fmt ", layout), (b"fact", fact), (b"data", body))
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def _write(folder: Path, name: str, document: Mapping[str, object]) -> None:
    (folder / name).write_text(json.dumps(document, indent=2), "utf-8")


def _write_tokenizer(folder: Path) -> None:
    """The trained tokens of the tiny checkpoint, invented words up to the special tokens, and these at their ids."""
    learnt = json.loads(tiny_granite.raw_tokenizer().to_str())
    vocabulary: dict[str, int] = {
        token: number
        for number, token in enumerate(
            sorted(learnt["model"]["vocab"], key=learnt["model"]["vocab"].get)
        )
    }
    dice = np.random.default_rng(0)
    letters = dice.choice(list("aeinorst"), size=(PAD, 6))
    for number in range(len(vocabulary), PAD):
        vocabulary[f"Ġ{''.join(letters[number])}{number}"] = number
    special = {PAD: "<|pad|>", END: "<|end_of_text|>", UNKNOWN: "<|unk|>", AUDIO_ID: AUDIO}
    names = {
        number: special.get(number, f"<|reserved_{number}|>") for number in range(PAD, VOCABULARY)
    }
    vocabulary |= {name: number for number, name in names.items() if number != AUDIO_ID}
    learnt["model"] |= {"vocab": vocabulary, "unk_token": None}
    shape = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    learnt["added_tokens"] = [
        {"id": number, "content": name, **shape} for number, name in names.items()
    ]
    (folder / "tokenizer.json").write_text(json.dumps(learnt, ensure_ascii=False), "utf-8")
    _write(folder, "vocab.json", vocabulary)
    merges = [" ".join(pair) for pair in learnt["model"]["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    _write(folder, "added_tokens.json", {AUDIO: AUDIO_ID})
    ends = {
        "bos_token": names[END],
        "eos_token": names[END],
        "pad_token": names[PAD],
        "unk_token": names[UNKNOWN],
    }
    _write(folder, "special_tokens_map.json", {**ends, "additional_special_tokens": [AUDIO]})
    added = {str(number): {"content": name, **shape} for number, name in names.items()}
    more = {
        "added_tokens_decoder": added,
        "tokenizer_class": "GPT2Tokenizer",
        "padding_side": "left",
    }
    _write(folder, "tokenizer_config.json", {**ends, **more})


def _write_weights(folder: Path, config: Mapping[str, object], seed: int) -> None:
    from safetensors.torch import save_file

    tensors = _weights(config, seed)
    names = sorted(tensors)
    shards = [names[start::3] for start in range(3)]
    files = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    for file, shard in zip(files, shards, strict=True):
        save_file({name: tensors[name] for name in shard}, folder / file, {"format": "pt"})
    total = sum(tensor.nbytes for tensor in tensors.values())
    placed = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
    _write(
        folder,
        "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": placed},
    )


def _weights(config: Mapping[str, object], seed: int) -> dict[str, Any]:
    """The tensors with the names of transformers 4, floats in bfloat16."""
    from transformers import GraniteSpeechConfig, GraniteSpeechForConditionalGeneration

    torch.manual_seed(seed)
    model = GraniteSpeechForConditionalGeneration(
        GraniteSpeechConfig.from_dict(dict(config))
    ).eval()
    tiny_granite.teach_last_layers(model, seed, layers=2)
    for name, weight in model.named_parameters():
        if ".q_proj." in name or ".k_proj." in name:
            weight.data *= (
                8.0  # the attention multiplier is made for wide heads: without this, no attention
            )
    return {
        _old_name(name): (
            tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
        ).contiguous()
        for name, tensor in model.state_dict().items()
    }


def _old_name(name: str) -> str:
    """The name that transformers 4 gave a tensor."""
    name = name.removeprefix("model.")
    if name.startswith("lm_head."):
        return f"language_model.{name}"
    return name.replace("language_model.", "language_model.model.", 1)
