"""
Models of the architecture of Moonshine's streaming models, small enough for tests, with random weights.

They babble.  In one of them the likelihood of the end token is fitted: it comes first after silence, noise, tones and
music, and seldom after sounds that change as speech does.  The texts of the other are longer.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.engine_contract import NO_SPEECH, RATE, hiss, switched, tone, tune

pytest.importorskip("torch", reason="the optional extra `moonshine-streaming` is not installed")
pytest.importorskip("transformers")

import torch
from transformers import (
    MoonshineStreamingConfig,
    MoonshineStreamingEncoderConfig,
    MoonshineStreamingForConditionalGeneration,
)

from workers.engines.base import Samples

START, END = 1, 2

_FIRST_SYLLABLE = 260
"""The tokens before it are signs of control, bytes and the space: the model writes none of them."""

_WIDTH = 64

WIDTHS = {"equal": _WIDTH, "wider": 76}
"""Width of the encoder of each shape; the decoder's is 64.  `tiny` of the vendor has equal ones, the others have not."""

WINDOWS = [[6, 3], [5, 1], [4, 0], [7, 2]]


def build(folder: Path, shape: str = "equal", *, fitted: bool = True, seed: int = 0) -> Path:
    """Write a made model with its tokenizer into `folder`, as transformers saves it.  `fitted`: its end token."""
    tokenizer = _tokenizer()
    torch.manual_seed(seed)
    model = MoonshineStreamingForConditionalGeneration(
        config_of(WIDTHS[shape], tokenizer.get_vocab_size())
    ).eval()
    loosen(model)
    if fitted:
        _fit_end(model)
    _fill_in(model).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def config_of(encoder_width: int, vocabulary: int, **more: Any) -> MoonshineStreamingConfig:
    """The config of a made model: heads that do not fill the width, windows of several sizes."""
    heads: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 10}
    encoder = MoonshineStreamingEncoderConfig(
        hidden_size=encoder_width, intermediate_size=80, num_hidden_layers=len(WINDOWS),
        sliding_windows=WINDOWS, **heads,
    )  # fmt: skip
    return MoonshineStreamingConfig(
        encoder_config=encoder, hidden_size=_WIDTH, intermediate_size=80, num_hidden_layers=2,
        vocab_size=vocabulary, max_position_embeddings=1_600, decoder_start_token_id=START, **heads, **more,
    )  # fmt: skip


def reference(folder: Path) -> Any:
    """transformers' own model of the folder."""
    return MoonshineStreamingForConditionalGeneration.from_pretrained(
        folder, local_files_only=True
    ).eval()


def padded(samples: Samples) -> dict[str, Any]:
    """The inputs that the vendor's feature extractor makes: whole frames of 80 samples, and a mask."""
    audio = torch.zeros(1, -(-len(samples) // 80) * 80)
    mask = torch.zeros_like(audio, dtype=torch.long)
    audio[0, : len(samples)] = torch.from_numpy(samples)
    mask[0, : len(samples)] = 1
    return {"input_values": audio, "attention_mask": mask}


def encoded(model: Any, samples: Samples) -> Any:
    """The vectors of transformers' encoder, `[vectors, width]`."""
    with torch.inference_mode():
        return model.model.encoder(**padded(samples)).last_hidden_state[0]


def generated(model: Any, samples: Samples, most: int) -> list[int]:
    """The tokens that `generate()` writes, greedily, without those of start and end."""
    with torch.inference_mode():
        rows = model.generate(**padded(samples), max_new_tokens=most, do_sample=False, num_beams=1)
    return [one for one in rows[0].tolist() if one not in (START, END)]


def speech(seconds: float, seed: int = 0) -> Samples:
    """Bands of noise that change ten times a second, as syllables do."""
    pick = np.random.default_rng(seed)
    pieces = list[npt.NDArray[np.float64]]()
    for _ in range(int(seconds * 10) + 1):
        spectrum = np.fft.rfft(pick.standard_normal(1_600))
        hertz, low = np.fft.rfftfreq(1_600, 1 / RATE), pick.uniform(150, 2_500)
        spectrum[(hertz < low) | (hertz > 1.4 * low)] = 0
        sound = np.fft.irfft(spectrum, 1_600) * np.hanning(1_600)
        pieces.append(sound / np.abs(sound).max() * pick.uniform(0.1, 0.5))
    return np.concatenate(pieces)[: round(seconds * RATE)].astype(np.float32)


def loosen(model: Any) -> None:
    """Weights wide enough that the text depends on the audio and on the tokens before."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                strength = 3.0 if "encoder_attn" in name else 1.5
                weight.normal_(0.0, strength / weight[0].numel() ** 0.5)
        model.model.decoder.pos_emb.weight.normal_(0.0, 0.5)
        model.proj_out.weight[:_FIRST_SYLLABLE] = 0.0


def _fit_end(model: Any) -> None:
    """Let the end token come first after what is no speech, by a linear fit to the decoder's states."""
    noises = [_states(model, one, 0) for one in (*NO_SPEECH.values(), *_more_noises())]
    spoken = [
        _states(model, speech(seconds, seed), 12)
        for seed, seconds in enumerate((0.4, 1, 2, 3, 3, 5) * 4)
    ]
    states = torch.cat([*noises, *(one[:1] for one in spoken), *(one[1:] for one in spoken)])
    later = len(states) - len(noises) - len(spoken)
    wanted = torch.tensor([12.0] * len(noises) + [-12.0] * len(spoken) + [-6.0] * later)
    weight = torch.tensor([20.0] * (len(noises) + len(spoken)) + [0.3] * later)
    squares = (states.T * weight) @ states + 0.01 * torch.eye(states.shape[1])
    with torch.no_grad():
        model.proj_out.weight[END] = torch.linalg.solve(squares, (states.T * weight) @ wanted)


def _more_noises() -> Sequence[Samples]:
    levels = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    return [
        *[hiss(level, sec, seed) for seed, level in enumerate(levels) for sec in (0.5, 3.0)],
        *[(tone(hertz) / 2).astype(np.float32) for hertz in (300, 700, 1_500)],
        switched(tone(440, 480, seconds=4), 1.0),
        tune(seed=2),
    ]


def _states(model: Any, samples: Samples, count: int) -> Any:
    """The states of the decoder behind the start token and behind each of `count` random tokens."""
    tokens = torch.randint(_FIRST_SYLLABLE, model.config.vocab_size, (count,)).tolist()
    with torch.inference_mode():
        heard = model.model(**padded(samples), decoder_input_ids=torch.tensor([[START, *tokens]]))
    return heard.last_hidden_state[0].clone()


def _fill_in(model: Any) -> Any:
    for name, token in {"bos": START, "eos": END, "pad": 0, "decoder_start": START}.items():
        setattr(model.generation_config, f"{name}_token_id", token)
    return model


def _tokenizer() -> Any:
    """Byte pairs with `▁` for a space and bytes for what is unknown, as the tokenizers of the vendor."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    syllables = [a + b for a in "bdgklmnprst" for b in "aeiou"]
    pieces += ["▁", *(f"▁{one}" for one in syllables), *syllables[:20], ".", ","]
    raw = Tokenizer(
        models.BPE({one: place for place, one in enumerate(pieces)}, [], byte_fallback=True, unk_token="<unk>")
    )  # fmt: skip
    raw.normalizer = normalizers.Replace(" ", "▁")
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    raw.add_special_tokens(["<unk>", "<s>", "</s>"])
    return raw
