"""Loads the Nemotron engine: from a checked folder to a warm engine.  Only this module assembles the parts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers.models.nemotron3_5_asr import Nemotron3_5AsrForRNNT
from transformers.models.nemotron_asr_streaming import NemotronAsrStreamingFeatureExtractor

from protocol.clock import ENGINE_RATE

from ..base import EngineError, Utterance
from ..common.checkpoint import CheckpointError, ModelCheckpoint, fetched
from ..common.checkpoint.pretrained import pretrained
from ..common.memory import is_out_of_memory
from .audio_features import AudioFeatures
from .engine import Nemotron
from .faster_encoder import halve_matrices, keep_positions
from .languages import named, prompts_by_language
from .models import FAMILY
from .settings import NemotronSettings, Precision
from .streaming_encoder import StreamingEncoder
from .transducer import Transducer

_PROCESSOR = "processor_config.json"
_MOST_SYMBOLS = 100
"""Tokens at one frame of 80 ms.  A real model has 10; with far more, one that never writes blank would not end."""

_TRAINED_LOOKAHEADS = (13, 6, 1, 0)
"""Those of a processor that states none: transformers' own default."""


def load(settings: NemotronSettings | None = None) -> Nemotron:
    """
    Load and warm up the engine.  Sets the number of torch's threads for the whole process.

    Raises EngineError, with one line of text, when the folder cannot be used.
    """
    chosen = settings or NemotronSettings()
    checkpoint = fetched(FAMILY, chosen.model, chosen.revision, chosen.cache, chosen.manifest)
    processor = _processor(checkpoint)
    torch.set_num_threads(chosen.threads)
    try:
        _check_chunk(chosen, processor)
        return _warm(_assembled(checkpoint, processor, chosen))
    except EngineError:
        raise
    except (
        Exception
    ) as exc:  # damaged files make transformers and tokenizers raise anything there is
        if is_out_of_memory(exc):
            raise
        raise CheckpointError(
            f"{checkpoint.folder}: {type(exc).__name__} while loading: its files are damaged or do not fit together"
        ) from exc


def _assembled(
    checkpoint: ModelCheckpoint, processor: dict[str, Any], chosen: NemotronSettings
) -> Nemotron:
    folder = checkpoint.folder
    prompts = prompts_by_language(processor.get("prompt_dictionary") or {}, named(chosen.locales))
    if not prompts:
        raise CheckpointError(f"{folder}: {_PROCESSOR} has no prompt for any language")
    model: Any = pretrained(Nemotron3_5AsrForRNNT, checkpoint, torch.float32)
    extractor = NemotronAsrStreamingFeatureExtractor.from_pretrained(folder, local_files_only=True)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    _check_sizes(folder, model, extractor, prompts)
    keep_positions(model.encoder)
    if chosen.precision is Precision.BF16:
        halve_matrices(model.encoder)
    return Nemotron(
        StreamingEncoder(model, AudioFeatures(extractor), chosen.chunk_ms.lookahead),
        Transducer(model),
        tokenizer,
        prompts,
        f"{Path(chosen.model).name}/{int(chosen.chunk_ms)}ms",
        chosen.open_utterances,
        provisional=chosen.provisional,
    )


def _warm(engine: Nemotron) -> Nemotron:
    """The engine, after two seconds of hiss."""
    hiss = 0.01 * np.random.default_rng(0).standard_normal(2 * ENGINE_RATE)
    language = min(engine.capabilities.languages)
    engine.transcribe([Utterance(hiss.astype(np.float32), language=language)])
    return engine


def _processor(checkpoint: ModelCheckpoint) -> dict[str, Any]:
    """The processor's settings.  Raises CheckpointError if there are none."""
    folder = checkpoint.folder
    if _PROCESSOR not in checkpoint.files:
        raise CheckpointError(f"{folder}: {_PROCESSOR} is missing")
    document: dict[str, Any] = json.loads((folder / _PROCESSOR).read_text("utf-8"))
    return document


def _check_chunk(chosen: NemotronSettings, processor: dict[str, Any]) -> None:
    """Raises EngineError if the model was not trained with the length of chunks that was chosen."""
    lookaheads = processor.get("supported_num_lookahead_tokens") or _TRAINED_LOOKAHEADS
    if chosen.chunk_ms.lookahead not in lookaheads:
        lengths = ", ".join(str(80 * (one + 1)) for one in sorted(lookaheads))
        raise EngineError(f"nemotron.chunk_ms: {chosen.model} has {lengths}")


def _check_sizes(folder: Path, model: Any, extractor: Any, prompts: dict[str, int]) -> None:  # noqa: ANN401
    """Raises CheckpointError if features, prompts and model do not fit each other."""
    if extractor.sampling_rate != ENGINE_RATE:
        raise CheckpointError(f"{folder}: the model hears {extractor.sampling_rate} Hz, not 16 kHz")
    if extractor.feature_size != model.config.encoder_config.num_mel_bins:
        raise CheckpointError(f"{folder}: features and encoder have different numbers of bands")
    if not 1 <= model.config.max_symbols_per_step <= _MOST_SYMBOLS:
        raise CheckpointError(f"{folder}: max_symbols_per_step is not within 1 and {_MOST_SYMBOLS}")
    if max(prompts.values()) >= model.config.num_prompts:
        raise CheckpointError(f"{folder}: {_PROCESSOR} has more prompts than the model")
