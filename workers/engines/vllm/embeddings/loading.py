"""Loads the encoder of a model, and connects it to the server that runs the language model."""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from ...base import EngineBrokenError, EngineError
from ...granite.acoustic.encoder import RaggedEncoder
from ...granite.acoustic.frontend import AcousticFrontend
from ...granite.acoustic.mel import RATE
from ...granite.checkpoint import fetched
from ...granite.compat import modules_of
from ...granite.device import device_named, translate_device_errors
from ...granite.engine import GraniteEngine
from ...granite.interfaces import EngineOptions
from ...granite.loading import capabilities, ends_of, longest, weights
from ...granite.model import Prompts
from ...granite.settings import GraniteSettings
from ...granite.text.decode import DecodeRow
from ...granite.text.prompts import PromptTable, table_of
from ...granite.text.stopping import most_tokens
from ...granite.text.tokenizer import Tokens
from ..client import ChatClient
from ..settings import VllmSettings
from .decoder import ServerDecoder
from .engine import EmbeddingEngine


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """What the worker keeps of a model: all but the layers of the language model."""

    frontend: AcousticFrontend
    prompts: Prompts = field(repr=False)
    end: frozenset[int]
    table: PromptTable


def load(client: ChatClient, settings: VllmSettings, model: str) -> EmbeddingEngine:
    """
    Load the encoder that the settings name, and let the server write a text for the longest segment.

    `model`: its name on the server.  Raises EngineError when one of the two cannot be used.
    """
    with translate_device_errors():
        parts = load_encoder(settings)
        decoder = ServerDecoder(
            client, model, settings.max_batch, parts.end, cut_loops=settings.cut_loops
        )
        try:
            check_server(parts, decoder, settings)
        except BaseException:
            decoder.close()
            raise
    return assemble(parts, decoder, settings, model)


def load_encoder(settings: VllmSettings) -> LoadedEncoder:
    """Load the model, and forget the layers of its language model.  Raises CheckpointError."""
    assert settings.encoder is not None
    checkpoint = fetched(
        settings.encoder, settings.encoder_revision, settings.encoder_cache, settings.encoder_manifest
    )  # fmt: skip
    model = weights(checkpoint, device_named(settings.encoder_device))
    table = table_of(checkpoint.files, checkpoint.config, checkpoint.source)
    chosen = settings.prompts if "prompts" in settings.model_fields_set else table
    return take_encoder(model, Tokens.read(checkpoint.tokenizer), chosen)


def take_encoder(model: Any, tokens: Tokens, table: PromptTable) -> LoadedEncoder:
    """The parts of a loaded model that the worker needs; the others are removed from it."""
    modules = modules_of(model)
    embedding = modules.decoder.embed_tokens.weight
    modules.decoder.layers = torch.nn.ModuleList()
    modules.head.weight = None
    return LoadedEncoder(
        AcousticFrontend(RaggedEncoder(modules), embedding.device),
        Prompts(tokens, partial(_embedded, embedding)),
        ends_of(model),
        table,
    )


def _embedded(table: torch.Tensor, ids: Sequence[int]) -> torch.Tensor:
    """`table`: the embedding of each token, [vocabulary, hidden]; vLLM applies the multiplier itself."""
    return functional.embedding(torch.tensor(ids, device=table.device), table)


def assemble(
    parts: LoadedEncoder, decoder: ServerDecoder, settings: VllmSettings, model: str
) -> EmbeddingEngine:
    """The engine of a loaded encoder and a connected decoder."""
    rows, like = settings.max_batch, _granite(settings)
    rules = EngineOptions(
        parts.table, rows, settings.max_seconds, settings.keyword_tokens, settings.least_support,
        lambda: 0, cut_loops=settings.cut_loops,
    )  # fmt: skip
    name = f"vllm/{model.rstrip('/').rsplit('/', 1)[-1]}"
    can = replace(capabilities(like, rows), name=name)
    engine = GraniteEngine(can, rules, parts.frontend, parts.prompts, decoder)
    return EmbeddingEngine(engine, decoder)


def check_server(parts: LoadedEncoder, decoder: ServerDecoder, settings: VllmSettings) -> None:
    """Let the server write for a segment of the greatest length.  Raises EngineError if it refuses or fails."""
    samples = np.zeros(round(settings.max_seconds * RATE), np.float32)
    heard = parts.frontend.encode([parts.frontend.whole(samples)])
    prompt = parts.prompts.prompt(parts.frontend.audio_tokens(heard)[0], parts.table.transcribe, ())
    try:
        decoder.admit([DecodeRow(-1, prompt, most_tokens(len(samples)))])
        while decoder.running:
            decoder.step()
    except EngineBrokenError as exc:
        raise EngineError(f"the server of vLLM failed at the start: {exc}") from exc
    if refused := decoder.take_refused():
        room = longest(settings.max_seconds, settings.keyword_tokens)
        raise EngineError(
            f"{settings.url} refuses embeddings of a segment of {settings.max_seconds:g} s ({refused[0].error}): it"
            f" must run the same model with --enable-prompt-embeds and --max-model-len of at least {room}"
        )


def _granite(settings: VllmSettings) -> GraniteSettings:
    """The settings of the Granite engine that declare the same capabilities."""
    assert settings.encoder is not None
    return GraniteSettings(
        model=settings.encoder, revision=settings.encoder_revision, max_seconds=settings.max_seconds,
        keyword_tokens=settings.keyword_tokens,
    )  # fmt: skip
