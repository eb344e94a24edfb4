"""
Granite Speech on a server of vLLM: each final is one chat request with audio.

There are no partials: each would cost a whole pass of the model.  Word times and the check of keywords against the
audio need the CTC head of the encoder, which the server does not show.
"""

import math
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from ..base import (
    WITHHELD_TOO_SHORT,
    Capabilities,
    Effort,
    EngineError,
    Hypothesis,
    RecognisedWord,
    Utterance,
    check,
)
from ..common import hallucination
from ..common.keyword_list import listed
from ..common.tickets import hypothesis_of, run_until_done
from ..granite.text.prompts import LANGUAGES, TRANSLATIONS
from ..granite.text.stopping import most_tokens
from .canary import check_canary
from .chat import RATE, ChatReply, request
from .client import CHAT, ChatClient
from .settings import VllmSettings

if TYPE_CHECKING:
    from .embeddings.engine import EmbeddingEngine

_SILENT = -70.0
"""dBFS.  Below it, 16-bit audio holds no words, but the model invents some."""

_STEP_SECONDS = 0.25
"""Longest duration of a step without a result, so that new segments join soon."""

_DIGITS = 3
"""Decimal places of a confidence."""


def load(settings: VllmSettings | None = None) -> "VllmEngine | EmbeddingEngine":
    """
    Connect to the server, and transcribe a known recording if the settings name one.

    Raises EngineError when the server or the encoder cannot be used, or when the recording is transcribed wrongly.
    """
    chosen = settings or VllmSettings()
    client = ChatClient(chosen)
    try:
        model = client.model()
        engine = _engine(client, chosen, model)
        check_canary(engine, chosen)
    except BaseException:
        client.close()
        raise
    return engine


def _engine(
    client: ChatClient, settings: VllmSettings, model: str
) -> "VllmEngine | EmbeddingEngine":
    """The engine that sends audio; or with an encoder the one that sends embeddings."""
    if settings.encoder is None:
        return VllmEngine(client, settings, model)
    try:
        from .embeddings.loading import load as load_embeddings  # noqa: PLC0415 - needs the extra `granite`
    except ImportError as exc:
        raise EngineError(
            "vllm.encoder needs one more extra: pip install 'trunkline[granite]'"
        ) from exc
    return load_embeddings(client, settings, model)


class VllmEngine:
    """A client of a server of vLLM.  Used from one thread at a time; requests run in threads of their own."""

    def __init__(self, client: ChatClient, settings: VllmSettings, model: str) -> None:
        self._client, self._settings, self._model = client, settings, model
        self._threads = ThreadPoolExecutor(settings.max_batch, thread_name_prefix="chat")
        self._tickets = count()
        self._running: dict[Future[Hypothesis], int] = {}
        self._done: list[tuple[int, Hypothesis | EngineError]] = []

    @property
    def capabilities(self) -> Capabilities:
        """See Engine."""
        return Capabilities(
            name=f"vllm/{self._model.rstrip('/').rsplit('/', 1)[-1]}",
            languages=LANGUAGES,
            translations=TRANSLATIONS,
            keywords=True,
            max_keywords=self._settings.max_keywords,
            partials=False,
            confidence="token-probability",
            max_batch=self._settings.max_batch,
            max_seconds=self._settings.max_seconds,
        )

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """See ContinuousEngine."""
        can = self.capabilities
        for utterance in utterances:
            check(utterance, can)
        return [self._begin(utterance) for utterance in utterances]

    def step(self) -> list[tuple[int, Hypothesis | EngineError]]:
        """
        Return the results that have arrived: (ticket, hypothesis or error) for each.  See ContinuousEngine.

        Waits up to `_STEP_SECONDS` for the first one.  Raises EngineBrokenError if the server fails for too long.
        """
        if not self._done and self._running:
            ready, _ = wait(self._running, _STEP_SECONDS, FIRST_COMPLETED)
            self._done += [(self._running.pop(one), _outcome(one)) for one in ready]
        finished, self._done = self._done, []
        return finished

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine."""
        outcomes, others = run_until_done(self.step, self.admit(batch))
        self._done = others + self._done
        return [hypothesis_of(outcome) for outcome in outcomes]

    def close(self) -> None:
        """End all requests."""
        self._client.close()
        self._threads.shutdown(cancel_futures=True)

    def _begin(self, utterance: Utterance) -> int:
        ticket = next(self._tickets)
        if utterance.is_too_short:
            self._done.append((ticket, WITHHELD_TOO_SHORT))
        elif (
            utterance.effort is Effort.PARTIAL
            or hallucination.loudness(utterance.samples) < _SILENT
        ):
            self._done.append((ticket, Hypothesis()))
        else:
            self._running[self._threads.submit(self._final, utterance)] = ticket
        return ticket

    def _final(self, utterance: Utterance) -> Hypothesis:
        """One final.  Runs in a thread of its own."""
        most = self._settings.max_keywords
        keywords = listed(
            utterance.keywords, most, lambda: self._ask(utterance, ()).text, utterance.language
        )
        heard = self._ask(utterance, keywords.terms)
        return replace(heard, flags=(*keywords.flags, *heard.flags))

    def _ask(self, utterance: Utterance, terms: Sequence[str]) -> Hypothesis:
        most = most_tokens(len(utterance.samples))
        body = request(utterance, self._settings.prompts, terms, self._model, most)
        reply = self._client.ask(body, CHAT)
        if reply.is_longer(most):
            raise EngineError(
                f"the server writes more than the {most} tokens that it was asked for"
            )
        return hypothesis(reply, len(utterance.samples) / RATE)


def hypothesis(reply: ChatReply, seconds: float) -> Hypothesis:
    """The words of an answer, without loops for which `seconds` of audio are too short."""
    heard = in_words(reply)
    said = [
        hallucination.WordEvidence(text, score if score is not None else 0.0)
        for text, score in heard
    ]
    scores = [score for _, score in heard]
    kept = hallucination.without_loops(said, seconds, complete=reply.complete)
    words = tuple(
        RecognisedWord(text, confidence=_confidence(scores[place])) for place, text in kept.words
    )
    flags = ["length_cut"] * (not reply.complete) + ["loop_cut"] * kept.looped
    return Hypothesis(words, tuple(flags))


def in_words(reply: ChatReply) -> list[tuple[str, float | None]]:
    """The words of an answer, each with the mean log-probability of its tokens (None if unknown)."""
    words: list[tuple[bytearray, list[float]]] = []
    is_open = False
    for piece in reply.pieces:
        for number, part in enumerate(piece.content.replace(b"\n", b" ").split(b" ")):
            is_open = is_open and number == 0
            if not part:
                continue
            if not is_open:
                words.append((bytearray(), []))
                is_open = True
            words[-1][0].extend(part)
            if piece.log_prob is not None:
                words[-1][1].append(piece.log_prob)
    return [
        (text.decode("utf-8", errors="replace"), sum(scores) / len(scores) if scores else None)
        for text, scores in words
    ]


def _confidence(score: float | None) -> float | None:
    return None if score is None else round(math.exp(min(score, 0.0)), _DIGITS)


def _outcome(future: Future[Hypothesis]) -> Hypothesis | EngineError:
    try:
        return future.result()
    except EngineError as exc:
        return exc
