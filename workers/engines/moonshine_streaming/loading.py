"""Loads the engine: from settings to a warm engine.  The files are checked before torch is imported."""

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import EngineBrokenError, EngineError, Utterance
from ..common.checkpoint import CheckpointError, ModelCheckpoint, fetched
from ..common.memory import is_out_of_memory
from .models import FAMILY
from .settings import MoonshineStreamingSettings

if TYPE_CHECKING:
    from .engine import MoonshineStreaming

_NO_EXTRA = (
    "the engine `moonshine-streaming` needs its extra: pip install 'trunkline[moonshine-streaming]'"
)

_WIDEST_WINDOW = 1_024
"""Vectors.  A real window has 16; the state of an open utterance grows with it."""

_AUDIO = ("preprocessor_config.json", "processor_config.json")
"""Files that say what is done with the audio before the model."""


def load(settings: MoonshineStreamingSettings | None = None) -> "MoonshineStreaming":
    """
    Load and warm up the engine.

    The files are checked before torch and transformers are imported, which takes seconds.  Raises CheckpointError,
    with one line of text, when the model cannot be used.
    """
    chosen = settings or MoonshineStreamingSettings()
    if not all(map(find_spec, ("torch", "transformers"))):
        raise EngineError(_NO_EXTRA)
    checkpoint = fetched(FAMILY, chosen.model, chosen.revision, chosen.cache, chosen.manifest)
    check_shape(checkpoint)
    check_audio(checkpoint)
    try:
        from .assembly import assembled  # noqa: PLC0415 - imports torch and transformers
    except ImportError as exc:
        raise EngineError(_NO_EXTRA) from exc
    engine = assembled(checkpoint, chosen)
    noise = np.random.default_rng(0).normal(0.0, 0.01, ENGINE_RATE).astype(np.float32)
    try:
        engine.transcribe([Utterance(noise, language=chosen.language)])
    except (EngineError, EngineBrokenError, MemoryError):
        raise
    except Exception as exc:
        if is_out_of_memory(exc):
            raise
        raise CheckpointError(
            f"{checkpoint.folder}: {type(exc).__name__} with a second of noise: its files do not fit together"
        ) from exc
    return engine


def check_shape(checkpoint: ModelCheckpoint) -> None:
    """Check what the streaming encoder assumes of the config.  Raises CheckpointError."""
    encoder = checkpoint.config.get("encoder_config") or {}
    windows = encoder.get("sliding_windows")
    if windows is None:
        return  # the defaults of the architecture
    valid = isinstance(windows, list) and all(
        isinstance(window, list)
        and len(window) == 2
        and all(type(size) is int and 0 <= size <= _WIDEST_WINDOW for size in window)
        and window[0] >= 1
        for window in windows
    )
    if not valid or len(windows) != encoder.get("num_hidden_layers", len(windows)):
        raise CheckpointError(
            f"{checkpoint.folder}: sliding_windows in config.json is not one pair of sizes for each layer"
        )


def check_audio(checkpoint: ModelCheckpoint) -> None:
    """Refuse a model whose audio is prepared in a way that a stream cannot be.  Raises CheckpointError."""
    for name in checkpoint.files & frozenset(_AUDIO):
        document = json.loads((checkpoint.folder / name).read_text("utf-8"))
        extractor = document.get("feature_extractor", document)
        if not isinstance(extractor, dict):
            raise CheckpointError(f"{checkpoint.folder}: {name} is damaged")
        if extractor.get("do_normalize"):
            raise CheckpointError(
                f"{checkpoint.folder}: {name} sets do_normalize, which needs the whole utterance"
            )
        if extractor.get("sampling_rate", ENGINE_RATE) != ENGINE_RATE:
            raise CheckpointError(f"{checkpoint.folder}: {name} sets another sampling_rate")
