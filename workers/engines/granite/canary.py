"""
The canary: what is known about a model's answers is compared with the loaded model, before the worker is ready.

The answers come from a JSON file: a published one for a pinned model, or the file that the settings name.  For
granite-4.0-1b-speech they are second-hand:

* the token ids of a sentence and the counts of a clip of 2.8 s were published with a port of the model (a recording
  that the vendor does not ship, so only what follows from its length and its text is compared);
* the words that the model writes for the sample in its own repository were published with another port.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base import Samples
from ..common.recording import LONGEST_CLIP, read_clip
from .acoustic.mel import RATE
from .checkpoint import CheckpointError, ModelCheckpoint
from .model import DecoderFactory, LoadedModel
from .pins import SMOKE_CLIP, canary_by_index, canary_of
from .text.decode import DecodeRow
from .text.prompts import GRANITE_4_0


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenisedText(_Strict):
    """The tokens of a text."""

    text: str
    ids: tuple[int, ...]
    end: int
    """The token that ends a text."""


class Counts(_Strict):
    """The sizes that follow from the length of a clip."""

    samples: int = Field(gt=0, le=LONGEST_CLIP * RATE)
    """At 16 kHz."""

    encoder_frames: int
    audio_tokens: int
    prompt_tokens: int
    """Template, audio and instruction, without keywords."""


class Clip(_Strict):
    """A recording in the folder of the model, and what the model writes for it."""

    name: str = Field(default=SMOKE_CLIP, pattern=r"^[\w.-]+$")
    max_tokens: int = Field(gt=0, le=1_000)
    contains: str = ""
    """Words in the first `max_tokens` tokens of the transcript, in lower case."""

    ids: tuple[int, ...] = ()
    """The first tokens of the transcript.  Exact only on the kind of device on which they were made."""


class Answers(_Strict):
    """What a model is known to answer; parts that are not known are left out."""

    sentence: TokenisedText | None = None
    counts: Counts | None = None
    clip: Clip | None = None
    instruction: str = GRANITE_4_0.transcribe
    """The user's text behind the audio."""


@dataclass(frozen=True, slots=True)
class Canary:
    """The known answers of a model, and the folder with its recordings."""

    folder: Path
    known: Answers


def answers_for(checkpoint: ModelCheckpoint, path: Path | None) -> Answers:
    """
    The answers in the file `path`, or else the published ones of a pinned model; empty if none are known.

    Raises CheckpointError when the file cannot be read.
    """
    name = "" if path else canary_of(checkpoint.source) or _canary_of_copy(checkpoint.folder)
    if not (path or name):
        return Answers()
    try:
        text = (path or files(__package__) / "canaries" / name).read_text("utf-8")
        return Answers.model_validate_json(text)
    except (OSError, UnicodeDecodeError) as exc:
        raise CheckpointError(f"{path} cannot be read ({type(exc).__name__})") from exc
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        raise CheckpointError(f"{path}: {place}: {wrong['msg']}") from exc


def _canary_of_copy(folder: Path) -> str:
    """Name of the known answers of a folder with the files of a pinned commit; empty if none are known."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return ""
    return canary_by_index(hashlib.sha256(index.read_bytes()).hexdigest())


def check_answers(parts: LoadedModel, decoders: DecoderFactory, canary: Canary) -> None:
    """Compare the model with its known answers.  Raises CheckpointError, which names what differs."""
    known, folder = canary.known, canary.folder
    if known.sentence:
        _check_sentence(parts, known.sentence)
    if known.counts:
        _check_counts(parts, known.counts, known.instruction)
    if known.clip and (folder / known.clip.name).is_file():
        _check_clip(parts, decoders, folder, known.clip, known.instruction)


def _check_sentence(parts: LoadedModel, known: TokenisedText) -> None:
    _compare(
        "the tokens of the test sentence", parts.prompts.tokens.encode(known.text), [*known.ids]
    )
    _compare("the end token", sorted(parts.end), [known.end])


def _check_counts(parts: LoadedModel, known: Counts, instruction: str) -> None:
    heard = parts.frontend.encode([parts.frontend.whole(np.zeros(known.samples, np.float32))])
    (audio,) = parts.frontend.audio_tokens(heard)
    prompt = parts.prompts.prompt(audio, instruction, ())
    for name, found in (
        ("encoder_frames", len(heard[0].best)), ("audio_tokens", len(audio)), ("prompt_tokens", len(prompt)),
    ):  # fmt: skip
        _compare(f"{name} of {known.samples} samples", found, getattr(known, name))


def _check_clip(
    parts: LoadedModel, decoders: DecoderFactory, folder: Path, known: Clip, instruction: str
) -> None:
    written = _transcribed(
        parts, decoders, read_clip(folder / known.name), known.max_tokens, instruction
    )
    text = parts.prompts.tokens.text(written)
    if known.contains.lower() not in text.lower():
        raise _failure(f"the transcript of {known.name}", repr(text), f"{known.contains!r} in it")
    if known.ids:
        _compare(f"the first tokens of {known.name}", [*written[: len(known.ids)]], [*known.ids])


def _transcribed(
    parts: LoadedModel, decoders: DecoderFactory, samples: Samples, most: int, instruction: str
) -> tuple[int, ...]:
    """The first `most` tokens of the transcript."""
    heard = parts.frontend.encode([parts.frontend.whole(samples)])
    (audio,) = parts.frontend.audio_tokens(heard)
    prompt = parts.prompts.prompt(audio, instruction, ())
    if len(prompt) + most > decoders.cache.capacity:
        decoders = parts.decoder_factory(1, len(prompt) + most, graphs=False)
    decoder = decoders.decoder(parts.end, cut_loops=False)
    decoder.admit([DecodeRow(-1, prompt, most)])
    written = decoder.step()
    while decoder.running:
        written += decoder.step()
    return written[0].tokens


def _compare(what: str, found: object, known: object) -> None:
    if found != known:
        raise _failure(what, str(found), str(known))


def _failure(what: str, found: str, known: str) -> CheckpointError:
    return CheckpointError(
        f"the canary failed: {what}: found {found}, known is {known}. The files of the model, this machine or the"
        " known answers are wrong; TRUNKLINE_GRANITE_CANARY=no starts without this check"
    )
