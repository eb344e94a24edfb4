"""
Nemotron checkpoints for tests: the true architecture, random weights, 0.2 M parameters.

Of one, encoder and joint network have been taught, in a few seconds, the sounds of `tiny_granite.spoken`, so that silence
and noise have no words and each word has its place.  The other babbles: its prediction network is random, so that each
token depends on all tokens before it too.
"""

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `nemotron` is not installed")
pytest.importorskip("transformers", reason="the extra `nemotron` is not installed")

import torch
from support.tiny_granite import (
    LETTER_SAMPLES,
    RATE,
    SOUNDS,
    Samples,
    _not_speech,
    spoken,
    tone,
)

PROMPTS = {
    "en-US": 0,
    "en": 0,
    "enGB": 1,
    "pt-BR": 12,
    "pt-PT": 13,
    "de-DE": 9,
    "haw-US": 14,
    "auto": 15,
}
TAGS = ("<en-US>", "<de-DE>")

PHRASE = "lea nag mis"
"""What tests say to the taught model: some of its lessons, so that it knows this whatever the processor."""

FRAME = 1_280
"""Samples of a frame of the encoder: 80 ms."""

LOOKAHEADS = (3, 0, 6, 13)
"""As the vendor's processor has them."""

_ENCODER: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "num_mel_bins": 32, "conv_kernel_size": 9, "subsampling_conv_channels": 16, "sliding_window": 57,
    "attention_bias": False, "convolution_bias": False, "scale_input": False, "default_num_lookahead_tokens": 3,
}  # fmt: skip
_STEPS, _MOST_STEPS, _BATCH, _SPOKEN, _SECONDS = 110, 400, 12, 36, 2.4
_TAUGHT = 5e-3
"""Cross entropy below which each lesson is known. Processors differ in how many steps that takes."""


def build(folder: Path) -> Path:
    """Write both checkpoints, as the vendor's model and processor are saved: the folders `taught` and `babbling`."""
    model = _model()
    projector = model.decoder.decoder_projector
    with torch.no_grad():  # it writes what it hears, whatever it wrote before
        projector.weight.zero_()
        projector.bias.zero_()
    _teach(model)
    model.max_symbols_per_step = model.config.max_symbols_per_step = 1
    _save(folder / "taught", model)
    with torch.no_grad():
        projector.weight.normal_(std=0.8)
    model.max_symbols_per_step = model.config.max_symbols_per_step = 3
    _save(folder / "babbling", model)
    return folder


def reference(folder: Path) -> tuple[Any, Any]:
    """transformers' own processor and model."""
    from transformers.models.nemotron3_5_asr import Nemotron3_5AsrForRNNT, Nemotron3_5AsrProcessor

    model = Nemotron3_5AsrForRNNT.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    return Nemotron3_5AsrProcessor.from_pretrained(folder, local_files_only=True), model.eval()


def babble(seconds: float, seed: int) -> Samples:
    """Random sounds, exact to the sample."""
    letters = "".join(
        np.random.default_rng(seed).choice(list(SOUNDS), int(seconds * RATE / LETTER_SAMPLES) + 1)
    )
    return spoken(letters, seed)[: round(seconds * RATE)]


def _pieces() -> list[str]:
    letters = [letter for letter in SOUNDS if letter != " "]
    return ["<unk>", "▁", *letters, *(f"▁{letter}" for letter in letters), *TAGS, "<blank>"]


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {piece: number for number, piece in enumerate(_pieces())}
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", pad_token="<unk>")


def _model() -> Any:
    from transformers.models.nemotron3_5_asr import Nemotron3_5AsrConfig, Nemotron3_5AsrForRNNT
    from transformers.models.nemotron_asr_streaming import NemotronAsrStreamingEncoderConfig

    pieces = _pieces()
    config = Nemotron3_5AsrConfig(
        vocab_size=len(pieces), decoder_hidden_size=48, num_decoder_layers=2, num_prompts=16,
        prompt_intermediate_size=64, default_prompt_id=15, blank_token_id=pieces.index("<blank>"),
        encoder_config=NemotronAsrStreamingEncoderConfig(**_ENCODER, initializer_range=0.1),
    )  # fmt: skip
    config.architectures = ["Nemotron3_5AsrForRNNT"]
    torch.manual_seed(3)
    model = Nemotron3_5AsrForRNNT(config).eval()
    model.generation_config.decoder_start_token_id = config.blank_token_id
    first = model.encoder.subsampling.conv_in
    with (
        torch.no_grad()
    ):  # logarithms of mel bands are about -8 in the middle, where a ReLU hears nothing
        first.weight.normal_(std=0.1)
        first.bias.copy_(8 * first.weight.sum((1, 2, 3)))
        for layer in model.encoder.subsampling.layers:
            layer.depthwise_conv.weight.normal_(std=0.5)
            layer.pointwise_conv.weight.normal_(std=0.35)
        model.encoder.subsampling.linear.weight.normal_(std=0.1)
        model.encoder_projector.weight.normal_(std=0.15)
        model.prompt_projector.linear_1.weight.normal_(std=0.12)
        model.prompt_projector.linear_2.weight.normal_(std=0.12)
        model.joint.head.weight.normal_(std=0.1)
    return model


def _extractor() -> Any:
    from transformers.models.nemotron_asr_streaming import NemotronAsrStreamingFeatureExtractor

    return NemotronAsrStreamingFeatureExtractor(feature_size=_ENCODER["num_mel_bins"])


def _save(folder: Path, model: Any) -> Path:
    from transformers.models.nemotron3_5_asr import Nemotron3_5AsrProcessor

    processor = Nemotron3_5AsrProcessor(
        _extractor(), _tokenizer(), supported_num_lookahead_tokens=list(LOOKAHEADS),
        prompt_dictionary=PROMPTS, num_prompts=16,
    )  # fmt: skip
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _teach(model: Any) -> None:
    """Cross entropy by the frame: the piece of a letter at its first whole frame, blank elsewhere."""
    features, labels = _lessons(model)
    parameters = [
        *model.encoder.parameters(), *model.encoder_projector.parameters(),
        *model.prompt_projector.parameters(), *model.joint.parameters(),
    ]  # fmt: skip
    optimiser = torch.optim.Adam(parameters, lr=4e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 15) * max(0.1, 1 - 0.9 * step / _STEPS)
    )
    losses = deque([1.0], _SPOKEN // _BATCH)
    silent = torch.zeros(1, 1, model.config.decoder_hidden_size)
    for step in range(_MOST_STEPS):
        few = [(_BATCH * step + place) % _SPOKEN for place in range(_BATCH)]
        others = len(features) - _SPOKEN
        few += [_SPOKEN + (3 * step + place) % others for place in range(3)]
        heard = model.get_audio_features(
            input_features=features[few],
            prompt_ids=torch.tensor([(0, 9, 13)[one % 3] for one in few]),
            num_lookahead_tokens=6,
        ).pooler_output[:, : labels.shape[1]]
        scores = model.joint(decoder_hidden_states=silent, encoder_hidden_states=heard)
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), labels[few].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if max(losses) < _TAUGHT:
            return
    raise RuntimeError(f"the model has not learned its lessons: {list(losses)}")


def _keys() -> list[Samples]:
    """Keys pressed one after the other, as a dialler does."""
    beat = np.arange(round(_SECONDS * RATE)) // 1_600 % 2
    pairs = [(697, 1_209), (770, 1_336), (852, 1_477), (941, 1_336), (770, 1_209), (852, 1_336)]
    return [
        ((tone(_SECONDS, low, 0.15) + tone(_SECONDS, high, 0.15)) * (beat == place % 2)).astype(
            np.float32
        )
        for place, (low, high) in enumerate(pairs)
    ]


def _lessons(model: Any) -> tuple[Any, Any]:
    """Mel frames of clips, `[clips, frames, bands]`, and the label of each frame of the encoder."""
    pieces, blank = _pieces(), model.config.blank_token_id
    frames = round(_SECONDS * RATE) // FRAME
    clips, labels = [], torch.full((_SPOKEN, frames), blank)
    for seed in range(_SPOKEN):
        letters = "".join(np.random.default_rng(seed).choice(list(SOUNDS), size=13 - seed % 9))
        letters = PHRASE if seed % 9 == 0 else letters
        clips.append(spoken(letters, seed, level=0.02 * 1.5 ** (seed % 8)))
        for place, letter in enumerate(letters, start=1):
            labels[seed, 2 * place + 1] = pieces.index(letter.replace(" ", "▁"))
    clips += [*_not_speech(_SECONDS), *_keys()]
    labels = torch.cat([labels, torch.full((len(clips) - _SPOKEN, frames), blank)])
    extractor = _extractor()
    made = [
        extractor(
            np.pad(clip, (0, max(0, frames * FRAME - len(clip))))[: frames * FRAME],
            sampling_rate=RATE, return_tensors="pt",
        )["input_features"][0]
        for clip in clips
    ]  # fmt: skip
    return torch.stack(made), labels
