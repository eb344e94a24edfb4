"""Loads the engine: from settings to a warm engine.  Only this module assembles the parts."""

# ruff: noqa: ANN401 - torch and transformers are an optional extra: their models have no types here

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..base import Capabilities, EngineBrokenError, EngineError
from ..common.checkpoint.pretrained import pretrained
from ..common.memory import is_out_of_memory
from .acoustic.encoder import RaggedEncoder
from .acoustic.frontend import AcousticFrontend
from .acoustic.mel import RATE, frames_in
from .acoustic.turbo_ctc import load_turbo
from .canary import Canary, answers_for, check_answers
from .checkpoint import CheckpointError, ModelCheckpoint, is_local
from .compat import modules_of
from .device import device_named, translate_device_errors
from .engine import GraniteEngine
from .finals.finals import CONFIDENCE, WORD_TIMES
from .interfaces import EngineOptions, OtherPartials
from .kernels.fp8 import check_fp8
from .model import LoadedModel, Prompts
from .pins import FAMILY
from .settings import Drafts, GraniteSettings
from .text.llm import LanguageModel
from .text.precision import Precision
from .text.prompts import GRANITE_4_0, LANGUAGES, TRANSLATIONS, PromptTable, table_of
from .text.speculative import DraftLedger, TrustRule
from .text.stopping import most_tokens
from .text.tokenizer import Tokens
from .warmup import measure, run_canary

PROMPT_TOKENS = 32
"""Room for template and instruction, in tokens; the longest trained one has 22."""

_GPU_ROWS, _CPU_ROWS = 64, 8

_TOKENS_OF_A_TERM = 4
"""Average length of a name and its comma, in tokens: gives the number of keywords that fit."""


def load(
    chosen: GraniteSettings,
    checkpoint: ModelCheckpoint,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> GraniteEngine:
    """
    Load and warm up the engine from the files of a checkpoint, and test it with a canary segment.

    `clock`: returns a monotonic time in seconds.  Raises CheckpointError when the model cannot be used, and
    EngineBrokenError when it does not work.
    """
    folder = checkpoint.folder
    device = device_named(chosen.device)
    with translate_device_errors(), _translate_load_errors(folder):
        if chosen.precision is Precision.FP8:
            check_fp8(device)
        parts = take_apart(weights(checkpoint, device), _tokens(checkpoint), chosen.precision)
        others = None
        if chosen.partial_model is not None:
            others = load_turbo(chosen.partial_model, chosen.partial_revision, chosen.cache, device)
        table = table_of(checkpoint.files, checkpoint.config, checkpoint.source)
        known = answers_for(checkpoint, chosen.canary_answers)
        return assemble(
            parts, chosen, table, clock=clock, others=others, canary=Canary(folder, known)
        )


@contextmanager
def _translate_load_errors(folder: Path) -> Iterator[None]:
    """Translate errors while a model is assembled into a CheckpointError that names the folder."""
    try:
        yield
    except (EngineError, EngineBrokenError):
        raise
    except Exception as exc:
        if "CUDA" in str(exc) or is_out_of_memory(exc):
            raise
        raise CheckpointError(
            f"{folder}: {type(exc).__name__} while building the model: its files do not fit together"
        ) from exc


def _tokens(checkpoint: ModelCheckpoint) -> Tokens:
    try:
        return Tokens.read(checkpoint.tokenizer)
    except Exception as exc:  # the tokenizers library raises nothing more special
        if is_out_of_memory(exc):
            raise
        raise CheckpointError(f"{checkpoint.tokenizer} is damaged or not byte-level BPE") from exc


def weights(checkpoint: ModelCheckpoint, device: torch.device) -> Any:
    """
    Load the model with its weights: on a GPU bf16 with batch norm in fp32, on a CPU fp32.

    Raises CheckpointError when the weights are damaged or do not fit the config.
    """
    from transformers import GraniteSpeechForConditionalGeneration  # noqa: PLC0415 - seconds to import

    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = pretrained(
        GraniteSpeechForConditionalGeneration, checkpoint, dtype, lambda key: ".layers." in key
    )
    return prepared(model, device)


def prepared(model: Any, device: torch.device) -> Any:
    """Move the model to `device`, for inference only."""
    model.eval().requires_grad_(requires_grad=False)
    for layer in modules_of(model).acoustic.encoder.layers:
        layer.conv.batch_norm.float()
    return model.to(device)


def take_apart(model: Any, tokens: Tokens, precision: Precision = Precision.FULL) -> LoadedModel:
    """Divide a loaded model into its parts.  Raises CheckpointError when tokenizer and model do not match."""
    modules = modules_of(model)
    llm = LanguageModel(modules, precision)
    if max(tokens.special, default=0) >= int(model.config.text_config.vocab_size):
        raise CheckpointError("the tokenizer has more tokens than the model")
    frontend = AcousticFrontend(RaggedEncoder(modules), llm.device)
    return LoadedModel(frontend, llm, Prompts(tokens, llm.embed), ends_of(model), llm.positions)


def ends_of(model: Any) -> frozenset[int]:
    """The tokens that end a text."""
    end = model.generation_config.eos_token_id or model.config.text_config.eos_token_id
    return frozenset([end] if isinstance(end, int) else end)


def assemble(
    parts: LoadedModel, settings: GraniteSettings, table: PromptTable = GRANITE_4_0, *,
    clock: Callable[[], float] = time.perf_counter, others: OtherPartials | None = None,
    canary: Canary | None = None,
) -> GraniteEngine:  # fmt: skip
    """
    Build the engine from loaded parts and warm it up.

    `table`: the prompt table of the weights, unless the settings name one; `clock`: a monotonic time in seconds;
    `others`: another model for partials; `canary`: known answers of the model.  Raises CheckpointError when segment
    and keywords do not fit the context, or when the model answers differently.
    """
    table = settings.prompts or table
    on_gpu = parts.llm.device.type == "cuda"
    rows = settings.max_batch or (_GPU_ROWS if on_gpu else _CPU_ROWS)
    capacity = _capacity(parts, settings, table)
    decoder_factory = parts.decoder_factory(rows, capacity, graphs=settings.graphs)
    if settings.graphs and on_gpu:
        parts.frontend.record()
    ledger = DraftLedger()
    if settings.drafts is Drafts.MEASURED:
        ledger.measured(
            [measure(parts, decoder_factory.endless(), count, clock) for count in _sizes(rows)]
        )
    if settings.canary:
        run_canary(parts, decoder_factory.endless(), settings.max_seconds)
        if canary is not None:
            check_answers(parts, decoder_factory, canary)
    rules = EngineOptions(
        table, rows, settings.max_seconds, settings.keyword_tokens, settings.least_support,
        _draft_rows(settings.drafts, ledger), ledger.settle, cut_loops=settings.cut_loops,
        trust=_trust(settings),
    )  # fmt: skip
    decoder = decoder_factory.decoder(parts.end, cut_loops=settings.cut_loops)
    can = capabilities(settings, rows)
    return GraniteEngine(can, rules, parts.frontend, parts.prompts, decoder, others)


def _capacity(parts: LoadedModel, settings: GraniteSettings, table: PromptTable) -> int:
    """Tokens that the longest segment needs.  Raises CheckpointError if the model has fewer."""
    asked = _longest_prompt(parts.prompts.tokens, table)
    capacity = longest(settings.max_seconds, settings.keyword_tokens, asked)
    if capacity > parts.context:
        raise CheckpointError(
            f"max_seconds and keyword_tokens need {capacity} tokens, the model has {parts.context}"
        )
    return capacity


def capabilities(settings: GraniteSettings, rows: int) -> Capabilities:
    """The capabilities of an engine with these settings; `rows`: segments decoded at once."""
    revision = (
        None if is_local(settings.model) else FAMILY.revision_of(settings.model, settings.revision)
    )
    pinned = f"@{revision[:12]}" if revision else ""
    precision = "" if settings.precision is Precision.FULL else f"+{settings.precision}"
    return Capabilities(
        name=f"{settings.model.rstrip('/').rsplit('/', 1)[-1]}{pinned}{precision}",
        languages=LANGUAGES,
        translations=TRANSLATIONS,
        keywords=True,
        max_keywords=max(1, settings.keyword_tokens // _TOKENS_OF_A_TERM),
        partials=True,
        word_times=WORD_TIMES,
        confidence=CONFIDENCE,
        max_batch=rows,
        max_seconds=settings.max_seconds,
    )


def longest(seconds: float, keyword_tokens: int, prompt_tokens: int = PROMPT_TOKENS) -> int:
    """
    Tokens of the longest segment: prompt, audio, keywords and text.  A slot of the cache must hold them.

    `seconds`: length of the audio; `keyword_tokens` and `prompt_tokens`: room for keywords and for the template.
    """
    samples = round(seconds * RATE)
    audio = -(-frames_in(samples) // 15) * 3
    return prompt_tokens + audio + keyword_tokens + most_tokens(samples) + 1


def _longest_prompt(tokens: Tokens, table: PromptTable) -> int:
    """Length of template and instruction of the longest task, in tokens, without keywords."""
    tasks: list[tuple[str, str | None]] = [*TRANSLATIONS, ("en", None)]
    instructions = [
        table.instruction(spoken, to, keywords=keywords)
        for spoken, to in tasks
        for keywords in (True, False)
    ]
    return len(tokens.before_audio()) + max(
        len(tokens.behind_audio(asked, ())) for asked in instructions
    )


def _trust(settings: GraniteSettings) -> TrustRule | None:
    if settings.drafts is not Drafts.TRUST:
        return None
    return TrustRule(settings.trust_entropy, settings.trust_probability)


def _draft_rows(drafts: Drafts, ledger: DraftLedger) -> Callable[[], int]:
    match drafts:
        case Drafts.MEASURED:
            return lambda: ledger.most_rows
        case Drafts.NEVER:
            return lambda: 0
        case Drafts.ALWAYS | Drafts.TRUST:
            return lambda: 1_000_000


def _sizes(rows: int) -> list[int]:
    return [size for size in (1, 2, 4, 8, 16, 32, 64) if size <= rows]
