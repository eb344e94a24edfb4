"""
The messages of vLLM's chat interface for Granite Speech, and what to do with each kind of answer.  Pure.

The prompt must be the trained one to the byte.  vLLM puts a placeholder and a line feed before a text without one,
so the text begins with the placeholder itself.  (Its transcription interface hard-codes the prompt and ignores
keywords.)
"""

import base64
import io
import math
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base import Samples, Utterance
from ..granite.text.prompts import PromptTable

RATE = 16_000
PLACEHOLDER = "<|audio|>"

MOST_ANSWER_BYTES = 4 * 1024 * 1024
"""An answer with the log-probabilities of 300 tokens has about 60 kB."""

MOST_TEXT_BYTES = 64 * 1024
"""The fastest speech of 120 s has about 3 kB."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two attempts."""


class ChatError(Exception):
    """An answer that is not one of the chat interface.  The text contains no call content."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Send the request again after `seconds`."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The server will never accept this request."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """The server accepts no request of ours: a person must act."""

    reason: str


Failure = Retry | RequestRefused | Unusable


@dataclass(frozen=True, slots=True)
class AnswerToken:
    """A token of the answer: its bytes, and its log-probability."""

    content: bytes
    log_prob: float | None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """The text of an answer by tokens."""

    pieces: tuple[AnswerToken, ...]
    complete: bool
    """False if the text reached the limit of tokens."""

    def is_longer(self, most: int) -> bool:
        """Whether the text cannot be one of `most` tokens: a word has at least one token."""
        text = b"".join(piece.content for piece in self.pieces)
        return len(text) > MOST_TEXT_BYTES or len(text.split()) > most


def request(
    utterance: Utterance, table: PromptTable, keywords: Sequence[str], model: str, most: int
) -> dict[str, Any]:
    """The body of a request: greedy decoding of at most `most` tokens, with log-probabilities."""
    asked = table.instruction(utterance.language, utterance.translate_to, keywords=bool(keywords))
    audio = {"data": base64.b64encode(wav(utterance.samples)).decode(), "format": "wav"}
    content = [
        {"type": "input_audio", "input_audio": audio},
        {"type": "text", "text": f"{PLACEHOLDER}{asked}{', '.join(keywords)}"},
    ]
    return {
        "model": model, "messages": [{"role": "user", "content": content}],
        "temperature": 0.0, "max_tokens": most, "logprobs": True, "stream": False,
    }  # fmt: skip


def wav(samples: Samples) -> bytes:
    """A WAV file of 16-bit samples, one channel at 16 kHz; `samples`: see Samples."""
    pcm = np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype("<i2")
    with io.BytesIO() as made:
        with wave.open(made, "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(pcm.tobytes())
        return made.getvalue()


def read(document: object) -> ChatReply:
    """Read the body of an answer.  Raises ChatError when it is none."""
    try:
        choice = document["choices"][0]  # type: ignore[index]  # any other shape raises
        text, reason = choice["message"]["content"], choice["finish_reason"]
        scored = (choice.get("logprobs") or {}).get("content")
        pieces = (
            [_piece(one) for one in scored]
            if scored
            else [AnswerToken((text or "").encode(), None)]
        )
    except (
        KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError
    ) as exc:  # fmt: skip
        raise ChatError(f"an answer of another form ({type(exc).__name__})") from exc
    return ChatReply(tuple(pieces), reason != "length")


def _piece(scored: Mapping[str, Any]) -> AnswerToken:
    raw = scored.get("bytes")
    if not isinstance(raw, list | None):  # of a number, `bytes` makes as many zeros
        raise TypeError
    content = bytes(raw) if raw is not None else str(scored["token"]).encode()
    log_prob = float(scored["logprob"])
    return AnswerToken(content, None if math.isnan(log_prob) else log_prob)


def failure(status: int, attempt: int, retry_after: str | None = None) -> Failure:
    """What to do after an answer with `status`; `attempt`: number of attempts before this one."""
    if status in (401, 403, 404):
        return Unusable(f"the server answers {status}: check url, model and api_key")
    if status in (408, 425, 429) or status >= 500:
        return Retry(pause(attempt, retry_after), f"the server answers {status}")
    return RequestRefused(f"the server answers {status}")


def pause(attempt: int, retry_after: str | None = None) -> float:
    """Seconds to wait before the next attempt: as the server says, or twice as long each time."""
    ours = _FIRST_PAUSE * 2 ** min(attempt, 10)
    try:
        asked = float(retry_after or ours)
    except ValueError:
        asked = ours
    return min(max(asked, _FIRST_PAUSE), _LONGEST_PAUSE) if math.isfinite(asked) else _LONGEST_PAUSE
