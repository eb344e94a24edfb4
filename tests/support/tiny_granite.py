"""
A Granite Speech checkpoint small enough for tests: the true architecture, random weights, 0.8 M parameters.

Its language model babbles.  Its CTC head has been taught, in a few seconds, an alphabet of nine sounds, so that
what is silence, where a word stands and whether a name was said can be tested with sounds of our own making.
"""

import importlib.machinery
import json
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch", reason="the optional extra `granite` is not installed")
pytest.importorskip("transformers", reason="the optional extra `granite` is not installed")

import torch

RATE = 16_000
AUDIO = "<|audio|>"
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: {{ message['content'] }}\n ASSISTANT:"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] }}{% endif %}{% endfor %}"
)
"""What ships with granite-4.0-1b-speech."""

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Pattern of the real tokenizer: that of GPT-4 (tiktoken's cl100k_base)."""

SOUNDS = "abdegilmnorst "
"""The letters that the tiny CTC head knows, each a band of noise; the space is one of them."""

LETTER_SAMPLES = 2_560
"""Length of one letter: 160 ms, eight encoder frames."""

_STEPS = 140
_SPOKEN = 24
"""Lessons with letters in them; the others are silence, noise and tones."""

Samples = npt.NDArray[np.float32]

_ENCODER: dict[str, Any] = {
    "input_dim": 160, "num_layers": 2, "hidden_dim": 64, "feedforward_mult": 4, "num_heads": 4, "dim_head": 16,
    "output_dim": 348, "context_size": 200, "max_pos_emb": 512, "dropout": 0.1, "conv_kernel_size": 15,
    "conv_expansion_factor": 2,
}  # fmt: skip
_PROJECTOR: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "encoder_hidden_size": 64, "cross_attention_frequency": 1, "max_position_embeddings": 2048,
    "use_qformer_text_input": False, "vocab_size": 32,
}  # fmt: skip
# Multipliers stay apart from 1, so that a forgotten one shows; with the wide initialisation the random model
# listens: its text depends on the audio and on the prompt.
_TEXT: dict[str, Any] = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "attention_multiplier": 0.25,
    "embedding_multiplier": 2.0, "residual_multiplier": 1.5, "logits_scaling": 8.0, "initializer_range": 0.15,
    "tie_word_embeddings": False,
}  # fmt: skip


def build(folder: Path, seed: int = 0) -> Path:
    """Write the tiny checkpoint into `folder`, as the vendor's processor and model save it."""
    borrow_torchaudio()
    from transformers import GraniteSpeechFeatureExtractor, GraniteSpeechProcessor

    tokenizer = _tokenizer()
    extractor = GraniteSpeechFeatureExtractor()
    processor = GraniteSpeechProcessor(extractor, tokenizer, chat_template=TEMPLATE)
    model = _model(tokenizer, seed)
    _teach(model, seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    named = folder / "tokenizer_config.json"
    real = json.loads(named.read_text()) | {"tokenizer_class": "GPT2Tokenizer"}
    named.write_text(json.dumps(real))
    return folder


def reference(folder: Path) -> tuple[Any, Any]:
    """
    The vendor's own processor and model, loaded from `folder` without a network.

    Its tokenizer reads `tokenizer.json` as it is.  The class that `tokenizer_config.json` names would replace the
    pre-tokenizer by that of GPT-2 (transformers 5): see `stock_tokenizer`.
    """
    borrow_torchaudio()
    from transformers import (
        AutoModelForSpeechSeq2Seq,
        GraniteSpeechFeatureExtractor,
        GraniteSpeechProcessor,
        PreTrainedTokenizerFast,
    )

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), padding_side="left", pad_token="<|pad|>"
    )
    extractor = GraniteSpeechFeatureExtractor.from_pretrained(folder, local_files_only=True)
    processor = GraniteSpeechProcessor(extractor, tokenizer, chat_template=TEMPLATE)
    model = AutoModelForSpeechSeq2Seq.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True
    )
    return processor, model.eval()


def stock_tokenizer(folder: Path) -> Any:
    """The tokenizer that transformers makes of the folder: of the class that `tokenizer_config.json` names."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def generated(parts: tuple[Any, Any], samples: Samples, content: str, most: int) -> list[int]:
    """Token ids that `generate()` writes for one clip alone; `content` is the user's turn behind the audio."""
    inputs = _prompted(parts[0], samples, content)
    with torch.inference_mode():
        ids = parts[1].generate(**inputs, max_new_tokens=most, do_sample=False, num_beams=1)
    return list(ids[0, inputs["input_ids"].shape[1] :].tolist())


def next_logits(
    parts: tuple[Any, Any], samples: Samples, content: str, tokens: Sequence[int]
) -> Any:
    """Logits of the vendor's model in one pass over prompt and `tokens`: row n is what it finds for token n."""
    inputs = _prompted(parts[0], samples, content)
    ids = torch.cat([inputs.pop("input_ids"), torch.tensor([list(tokens)])], dim=1)
    del inputs["attention_mask"]
    with torch.inference_mode():
        logits = parts[1](input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits
    return logits[0, -len(tokens) - 1 : -1]


def _prompted(processor: Any, samples: Samples, content: str) -> Any:
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": AUDIO + content}], tokenize=False
    )
    return processor(prompt, torch.from_numpy(samples), return_tensors="pt")


def spoken(text: str, seed: int = 0, level: float = 0.1) -> Samples:
    """`text` in the sounds of the tiny alphabet, between two stretches of near silence."""
    noise = np.random.default_rng(seed)
    pause = np.zeros(LETTER_SAMPLES)
    sounds = [pause, *(_sound(letter, noise) for letter in text), pause]
    hiss = 1e-4 * noise.standard_normal(LETTER_SAMPLES * len(sounds))
    return (level * np.concatenate(sounds) + hiss).astype(np.float32)


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * RATE), np.float32)


def hiss(seconds: float, seed: int = 0, level: float = 0.05) -> Samples:
    """White noise, as on a line on hold."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (level * noise).astype(np.float32)


def tone(seconds: float, hertz: float = 440.0, level: float = 0.2) -> Samples:
    """A steady tone."""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def babble(seconds: float, seed: int) -> Samples:
    """Random letters for about `seconds`; the length is exact to the sample."""
    pick = np.random.default_rng(seed)
    letters = "".join(pick.choice(list(SOUNDS), size=int(seconds * RATE / LETTER_SAMPLES) + 1))
    return spoken(letters, seed)[: round(seconds * RATE)]


def borrow_torchaudio() -> None:
    """
    Let the vendor's extractor find the one transform it needs; the engine does without it.

    Written apart from the engine's own, after torchaudio's definition: n_fft 512, periodic Hann of 400, hop 160,
    reflected edges, HTK scale, no normalisation.
    """
    if "torchaudio" in sys.modules:
        return

    class MelSpectrogram(torch.nn.Module):
        def __init__(self, **_sizes: int) -> None:
            super().__init__()
            corners = 700.0 * (10.0 ** (torch.linspace(0.0, 2840.0230467083188, 82) / 2595.0) - 1.0)
            above = corners.unsqueeze(0) - torch.linspace(0, 8000, 257).unsqueeze(1)
            rise = -above[:, :-2] / corners.diff()[:-1]
            fall = above[:, 2:] / corners.diff()[1:]
            self._bands = torch.minimum(rise, fall).clamp(min=0.0)

        def forward(self, audio: Any) -> Any:
            spectrum = torch.stft(
                audio,
                512,
                160,
                400,
                torch.hann_window(400),
                pad_mode="reflect",
                return_complex=True,
            )
            return (spectrum.abs().pow(2).transpose(-1, -2) @ self._bands).transpose(-1, -2)

    names = ("torchaudio", "torchaudio.transforms", "torchaudio.functional")
    parent, child, other = map(types.ModuleType, names)
    for module in (parent, child, other):
        module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, loader=None)
        sys.modules[module.__name__] = module
    parent.__dict__.update(__version__="2.9.0", transforms=child, functional=other)
    other.__dict__.update(compute_deltas=_compute_deltas)
    child.__dict__.update(MelSpectrogram=MelSpectrogram)
    from transformers.utils import import_utils

    for check in (import_utils.is_torchaudio_available, import_utils._is_package_available):
        getattr(check, "cache_clear", bool)()


def _compute_deltas(mel: Any, win_length: int) -> Any:
    """torchaudio's slopes along time, for the one window that is used: half the difference of both neighbours."""
    assert win_length == 3
    wide = torch.nn.functional.pad(mel, (1, 1), mode="replicate")
    return (
        torch.nn.functional.conv1d(
            wide.flatten(0, 1).unsqueeze(1), torch.tensor([[[-1.0, 0.0, 1.0]]])
        ).view_as(mel)
        / 2
    )


def _not_speech(seconds: float) -> Iterator[Samples]:
    """What is heard on lines while nobody talks."""
    dice = np.random.default_rng(5)
    yield silence(seconds)
    for number, level in enumerate([0.0005, 0.003, 0.02, 0.1, 0.4]):
        yield hiss(seconds, 50 + number, level)
    for number in range(12):
        yield tone(seconds, 210.0 * 1.3**number, 0.02 * 1.6 ** (number % 6))
    heartbeat = np.arange(round(seconds * RATE)) // 1_600
    for low, high in [(345, 445), (470, 610), (697, 1209), (852, 1477), (60, 180), (445, 485)]:
        both = tone(seconds, low, 0.15) + tone(seconds, high, 0.15)
        yield both
        yield (both * (heartbeat // dice.choice([1, 3, 5]) % 2)).astype(np.float32)
    for place in (9_000, 15_000):
        yield np.eye(1, round(seconds * RATE), place, dtype=np.float32)[0]
    fade = np.exp(-3 * np.arange(4_000) / RATE)
    for _ in range(5):
        notes = 220 * 2 ** (dice.choice([0, 2, 4, 5, 7, 9, 11], 8) / 12)
        chords = [
            fade * (tone(0.25, note) + tone(0.25, 1.25 * note) + tone(0.25, 1.5 * note))
            for note in notes
        ]
        yield (0.5 * np.concatenate(chords)).astype(np.float32)


def _sound(letter: str, noise: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise in the band of `letter`, faded in and out, with 40 ms of rest behind it."""
    place = SOUNDS.index(letter)
    length = LETTER_SAMPLES - 640
    spectrum = np.fft.rfft(noise.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    low = 200.0 * 1.27**place
    spectrum[(hertz < low) | (hertz > 1.2 * low)] = 0.0
    sound = np.fft.irfft(spectrum, length) * np.hanning(length)
    return np.concatenate([sound / max(np.abs(sound).max(), 1e-9), np.zeros(640)])


def raw_tokenizer() -> Any:
    """
    Byte-level BPE with the pre-tokenizer of the real family, learnt from a few lines.

    A `Split` by the pattern of GPT-4 stands before `ByteLevel`: digits in groups of one to three, line feeds
    joined to the signs before them.  `format?\\n` therefore ends in one token, as in the vendor's notebook.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE(unk_token="<|unk|>"))
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    lines = [
        "USER: can you transcribe the speech into a written format? Keywords: Acme, refund\n ASSISTANT:",
        "can you transcribe the speech into a written format?\n ASSISTANT:",
        "transcribe the speech to text. Keywords: account number, ticket. translate the speech to French.\n",
        "transcribe the speech with proper punctuation and capitalization.\n",
        "hello thank you for calling how can i help you today my order number is one two three four 123 4567",
    ]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        lines * 4,
        trainers.BpeTrainer(vocab_size=508, show_progress=False, initial_alphabet=alphabet),
    )
    return raw


def _tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    raw = raw_tokenizer()
    raw.add_special_tokens(["<|unk|>", "<|end_of_text|>", "<|pad|>", AUDIO])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="<|unk|>",
        bos_token="<|end_of_text|>", eos_token="<|end_of_text|>", pad_token="<|pad|>", padding_side="left",
        additional_special_tokens=[AUDIO],
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _model(tokenizer: Any, seed: int) -> Any:
    from transformers import (
        Blip2QFormerConfig,
        GraniteConfig,
        GraniteSpeechConfig,
        GraniteSpeechEncoderConfig,
        GraniteSpeechForConditionalGeneration,
    )

    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    config = GraniteSpeechConfig(
        text_config=GraniteConfig(vocab_size=len(tokenizer), **special, **_TEXT),
        encoder_config=GraniteSpeechEncoderConfig(**_ENCODER),
        projector_config=Blip2QFormerConfig(**_PROJECTOR),
        audio_token_index=tokenizer.convert_tokens_to_ids(AUDIO),
        has_lora_adapter=False,
        tie_word_embeddings=False,
        window_size=15,
        downsample_rate=5,
    )
    config.architectures = ["GraniteSpeechForConditionalGeneration"]
    torch.manual_seed(seed)
    model = GraniteSpeechForConditionalGeneration(config).eval()
    for name, token in special.items():
        setattr(model.generation_config, name, token)
    return model


def teach_last_layers(model: Any, seed: int, layers: int) -> None:
    """
    Teach the alphabet to the last `layers` layers of a deep encoder and to its CTC head.

    The layers before them stay random and are run only once.  `out_mid` is silent meanwhile, because the head
    that it depends on changes.
    """
    from workers.engines.granite.acoustic.encoder import RaggedEncoder
    from workers.engines.granite.compat import modules_of

    modules = modules_of(model)
    encoder, head = modules.acoustic.encoder, modules.acoustic.encoder.out
    deep, first = encoder.layers, encoder.input_linear
    features, labels = _lessons()
    saved = encoder.out_mid.weight.detach().clone()
    with torch.no_grad():
        encoder.out_mid.weight.zero_()
        encoder.layers = deep[:-layers]
        hidden = RaggedEncoder(modules).hidden(features)
        encoder.input_linear = torch.nn.Linear(first.out_features, first.out_features)
        torch.nn.init.eye_(encoder.input_linear.weight)
        torch.nn.init.zeros_(encoder.input_linear.bias)
        encoder.input_linear.requires_grad_(requires_grad=False)
    encoder.layers = deep[-layers:]
    ragged = RaggedEncoder(modules)
    _train([*encoder.layers.parameters(), *head.parameters()], ragged, head, (hidden, labels), seed)
    encoder.layers, encoder.input_linear = deep, first
    with torch.no_grad():
        encoder.out_mid.weight.copy_(saved)


def _teach(model: Any, seed: int) -> None:
    """Letters for the sounds of the alphabet; blank for silence, noise and tones."""
    from workers.engines.granite.acoustic.encoder import RaggedEncoder
    from workers.engines.granite.compat import modules_of

    modules = modules_of(model)
    encoder = modules.acoustic.encoder
    _train(list(encoder.parameters()), RaggedEncoder(modules), encoder.out, _lessons(), seed)


def _train(
    parameters: list[Any], ragged: Any, head: Any, lessons: tuple[list[Any], list[Any]], seed: int
) -> None:
    """Cross entropy by the frame; `lessons`: input of the encoder and label of each frame, by clip."""
    torch.manual_seed(seed)
    features, labels = lessons
    optimiser = torch.optim.Adam(parameters, lr=5e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(1.0, (step + 1) / 15) * (1 - 0.8 * step / _STEPS)
    )
    for step in range(_STEPS):
        few = [(4 * step + place) % _SPOKEN for place in range(4)]
        few.append(_SPOKEN + step % (len(features) - _SPOKEN))
        scores = head(torch.cat(ragged.hidden([features[one] for one in few])))
        loss = torch.nn.functional.cross_entropy(scores, torch.cat([labels[one] for one in few]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
    for parameter in parameters:
        parameter.requires_grad_(requires_grad=False)
    optimiser.zero_grad()


def _lessons() -> tuple[list[Any], list[Any]]:
    """Clips of 1.6 s with the label of each encoder frame."""
    from workers.engines.granite.acoustic.mel import Mel

    mel, frames = Mel.on(torch.device("cpu")), 80
    clips, labels = [], []
    for seed in range(_SPOKEN):
        letters = "".join(np.random.default_rng(seed).choice(list(SOUNDS), size=8))
        clips.append(spoken(letters, seed, level=0.02 * 1.5 ** (seed % 8)))
        label = torch.zeros(frames, dtype=torch.long)
        for place, letter in enumerate(letters, start=1):
            label[8 * place + 2 : 8 * place + 5] = ord(letter)
        labels.append(label)
    quiet = list(_not_speech(2.0))
    labels += [torch.zeros(frames, dtype=torch.long)] * len(quiet)
    sounds = [torch.from_numpy(clip[: 2 * 160 * frames]) for clip in [*clips, *quiet]]
    return [mel.features(sound)[:frames] for sound in sounds], labels
