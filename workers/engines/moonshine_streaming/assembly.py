"""Assembles the engine from a checked model folder.  Importing this module imports torch and transformers."""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

from collections.abc import Callable, Sequence
from math import floor
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import MoonshineStreamingForConditionalGeneration

from protocol.clock import ENGINE_RATE

from ..base import Capabilities
from ..common.checkpoint import CheckpointError, ModelCheckpoint, is_local
from ..common.checkpoint.pretrained import pretrained
from ..common.memory import is_out_of_memory
from .decoder import StreamingDecoder
from .encoder import StreamingEncoder
from .engine import MoonshineStreaming
from .models import FAMILY
from .open_utterances import OpenUtterances
from .search import DraftedSearch, Tokens
from .settings import MoonshineStreamingSettings
from .spelling import Decode


def assembled(
    checkpoint: ModelCheckpoint, settings: MoonshineStreamingSettings
) -> MoonshineStreaming:
    """
    Load the weights and build the engine; sets the number of torch's threads.

    Raises CheckpointError when the files do not fit together.
    """
    torch.set_num_threads(settings.threads)
    decode = _decode_of(checkpoint.tokenizer, checkpoint.config)
    model = pretrained(MoonshineStreamingForConditionalGeneration, checkpoint, torch.float32)
    try:
        encoder, decoder = StreamingEncoder(model.model.encoder), StreamingDecoder(model)
    except (AttributeError, ValueError) as exc:
        raise CheckpointError(f"{checkpoint.folder}: config.json does not fit the engine") from exc
    seconds = decoder.most_vectors * encoder.samples_per_vector / ENGINE_RATE
    can = capabilities(settings, min(settings.max_seconds, floor(seconds)))
    search = DraftedSearch(decoder, tokens_of(model, checkpoint.folder))
    return MoonshineStreaming(can, OpenUtterances(encoder, decoder), search, decode)


def capabilities(settings: MoonshineStreamingSettings, seconds: float) -> Capabilities:
    """The capabilities of an engine with these settings; `seconds`: longest utterance."""
    revision = FAMILY.revision_of(settings.model, settings.revision)
    pinned = f"@{revision[:12]}" if revision and not is_local(settings.model) else ""
    return Capabilities(
        name=f"{settings.model.rstrip('/').rsplit('/', 1)[-1]}{pinned}",
        languages=frozenset({settings.language}),
        confidence="token-probability",
        max_seconds=seconds,
    )


def tokens_of(model: Any, folder: Path) -> Tokens:
    """The tokens that begin and end a text.  Raises CheckpointError unless there is one of each."""
    given = model.generation_config
    start = given.decoder_start_token_id
    if start is None:
        start = model.config.decoder_start_token_id
    if start is None:
        start = model.config.bos_token_id
    end = given.eos_token_id if given.eos_token_id is not None else model.config.eos_token_id
    if isinstance(end, list) and len(end) == 1:
        (end,) = end
    size = int(model.config.vocab_size)
    if not all(isinstance(one, int) and 0 <= one < size for one in (start, end)):
        raise CheckpointError(f"{folder}: one token must begin a text and one must end it")
    return Tokens(start, end)


def _decode_of(path: Path, config: dict[str, Any]) -> Decode:
    """The function from tokens to text.  Raises CheckpointError for a damaged file, or one of another model."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the tokenizers library raises nothing more special
        if is_out_of_memory(exc):
            raise
        raise CheckpointError(f"{path} is damaged") from exc
    if tokenizer.get_vocab_size() > config.get("vocab_size", 32_768):
        raise CheckpointError(f"{path} has more tokens than the model")
    return _decoder_of(tokenizer)


def _decoder_of(tokenizer: Any) -> Callable[[Sequence[int]], str]:
    def decode(tokens: Sequence[int]) -> str:
        return str(tokenizer.decode(list(tokens), skip_special_tokens=True))

    return decode
