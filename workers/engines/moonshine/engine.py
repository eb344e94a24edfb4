"""
Moonshine base-en on the CPU: the default engine on machines without a GPU, and the engine of the tests.

English, up to 15 seconds, no word times.  One thread: more threads gain nothing, and processes scale better.
Utterances run one by one, because the model has no attention mask: padding to a longer neighbour would change the
text.
"""

import math
from collections.abc import Generator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol.clock import ENGINE_RATE

from ..base import (
    WITHHELD_TOO_SHORT,
    Capabilities,
    Effort,
    Hypothesis,
    RecognisedWord,
    Samples,
    Utterance,
    check,
)
from ..common import hallucination
from ..common.beam_search import Beam, Found, Greedy, LogProbs, SearchLimits, log_softmax
from ..common.download import Progress
from . import weights
from .keyword_bias import bias_of
from .sessions import Floats, Net, Sessions, open_sessions
from .tokens import END, START, Vocabulary, read_vocabulary

_MAX_SECONDS = 15.0
_LAYERS, _HEADS, _HEAD_SIZE = 8, 8, 52

_BIASES_KEPT = 64
_SILENT = -70.0
"""dBFS.  The model works as well at -55 as at -15; audio below this limit is hardly one step of G.711."""

_TOKENS_PER_SECOND, _TOKENS_MORE = 12.0, 8
"""
Limit of the text's length, which bounds a loop.  The fastest speech on a real call had 8.7 tokens a second for 1.5
s; six digits a second, each with its comma, make twelve.
"""

_TOKENS_A_STEP = 8
"""Tokens between which the engine does not turn to another utterance: about 30 ms."""

_LEAST_TOKENS_PER_SECOND = 0.7
_LENGTH_REWARD = 0.15
"""A sentence of 13 seconds came back as `1.`; searched again with this reward for each token, it was whole."""

_DECODED = tuple(
    f"past_key_values.{layer}.decoder.{half}"
    for layer in range(_LAYERS)
    for half in ("key", "value")
)
_ENCODED = tuple(name.replace("decoder", "encoder") for name in _DECODED)


def load(
    cache: Path | None = None,
    progress: Progress = lambda what, part: None,
    vendor_url: str = weights.VENDOR_URL,
    width: int = 4,
) -> "Moonshine":
    """
    Load and warm up the engine.  The first start on a machine prepares the weights in `cache` (30 s, 150 MB).

    `cache`: None is the user's own cache folder.  `width`: beam width for finals, with or without keywords; a width
    of 4 makes a fifth fewer errors on telephone prompts than 1, takes half as much time again, and is needed for
    keywords.  Raises EngineError when weights or packages are missing.
    """
    folder = weights.ready(cache, progress, vendor_url)
    engine = Moonshine(open_sessions(folder), read_vocabulary(folder / weights.TOKENIZER), width)
    engine.transcribe([Utterance(np.zeros(ENGINE_RATE, dtype=np.float32))])
    return engine


class Moonshine:
    """The engine: a search over three graphs, with filters against hallucinated text."""

    capabilities = Capabilities(
        name="moonshine-base-en/int8",
        languages=frozenset({"en"}),
        keywords=True,
        partials=True,
        confidence="token-probability",
        max_batch=1,
        max_seconds=_MAX_SECONDS,
    )

    def __init__(self, sessions: Sessions, vocabulary: Vocabulary, width: int) -> None:
        self._sessions = sessions
        self._vocabulary = vocabulary
        self._width = width
        self._bias = lru_cache(_BIASES_KEPT)(partial(bias_of, vocabulary))

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Raises EngineError when an utterance is too long or not in English."""
        for utterance in batch:
            check(utterance, self.capabilities)
        return [_result(self.steps(utterance)) for utterance in batch]

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """See StepwiseEngine.  A step is the encoder's run, or some tokens."""
        check(utterance, self.capabilities)
        samples = utterance.samples
        if utterance.is_too_short:
            return WITHHELD_TOO_SHORT
        if (level := hallucination.loudness(samples)) < _SILENT:
            return Hypothesis()
        decoder = self._encode(samples)
        yield
        found = yield from self._found(utterance, decoder)
        reason = hallucination.withheld(
            level, found.nothing, found.log_probs, complete=found.complete
        )
        if reason is not None:
            told = hallucination.is_worth_a_flag(found.nothing, found.log_probs)
            return Hypothesis(flags=(reason.flag,) if told else ())
        return self._written(found, utterance)

    def _written(self, found: Found, utterance: Utterance) -> Hypothesis:
        """The words of a row, less its loops."""
        seconds, leaned = len(utterance.samples) / ENGINE_RATE, self._leaned(found, utterance)
        sure = [math.exp(log_prob) for log_prob in found.log_probs]
        spelled = self._vocabulary.spell(found.tokens, sure)
        said = [hallucination.WordEvidence(word.text, word.log_prob) for word in spelled]
        kept = hallucination.without_loops(said, seconds, complete=found.complete)
        words = tuple(
            RecognisedWord(
                text,
                confidence=spelled[place].probability,
                leaned=leaned.issuperset(spelled[place].places),
            )
            for place, text in kept.words
        )
        return Hypothesis(words, _flags(looped=kept.looped, cut=not found.complete))

    def _leaned(self, found: Found, utterance: Utterance) -> frozenset[int]:
        """The places of tokens that the search of a final leaned towards, with the signs behind them."""
        if utterance.effort is not Effort.FINAL or not utterance.keywords:
            return frozenset()
        leaned = set(self._bias(utterance.keywords).inside(found.tokens))
        for place, token in enumerate(found.tokens):
            if place - 1 in leaned and self._vocabulary.is_sign(token):
                leaned.add(place)
        return frozenset(leaned)

    def _found(self, utterance: Utterance, decoder: "_Decoder") -> Generator[None, None, Found]:
        found = yield from self._searched(utterance, decoder, 0.0)
        if utterance.effort is Effort.FINAL and _is_too_short(found, utterance):
            again = yield from self._searched(utterance, decoder, _LENGTH_REWARD)
            return max(found, again, key=lambda one: len(one.tokens))
        return found

    def _searched(
        self, utterance: Utterance, decoder: "_Decoder", length_reward: float
    ) -> Generator[None, None, Found]:
        search = self._search(utterance, length_reward)
        if not search.finished:
            self._begin(search, decoder, self._draft(utterance))
            yield
        while not search.finished:
            for _ in range(_TOKENS_A_STEP):
                if not search.finished:
                    search.observe(decoder.follow(search.tokens, search.parents))
            yield
        return search.found()

    def _draft(self, utterance: Utterance) -> Sequence[int]:
        """
        Tokens that a partial is likely to begin with: those of the partial before it.

        One run of the decoder checks them all; where the search chooses another token, it goes on from there.
        """
        if utterance.effort is not Effort.PARTIAL:
            return ()
        words = utterance.previous.split()
        return [token for word in words for token in self._vocabulary.tokens(word)]

    def _begin(self, search: Greedy | Beam, decoder: "_Decoder", draft: Sequence[int]) -> None:
        """Let `search` choose its first token, and more as long as they are those of `draft`."""
        logits = decoder.begin([START, *draft])
        for place in range(len(logits)):
            log_probs = log_softmax(logits[place : place + 1])
            search.observe(log_probs if place else self._begun(log_probs))
            if search.finished or [*search.tokens] != [*draft[place : place + 1]]:
                decoder.keep(place + 1)
                return

    def _begun(self, log_probs: LogProbs) -> LogProbs:
        """
        Give the probability of each first token to its twin with a capital.

        After a first word without one the model writes the whole text without capitals and punctuation.
        """
        small, capital = self._vocabulary.capitals
        begun = log_probs.copy()
        begun[:, capital] = np.logaddexp(begun[:, capital], begun[:, small])
        begun[:, small] = -np.inf
        return begun

    def _search(self, utterance: Utterance, length_reward: float) -> Greedy | Beam:
        seconds = len(utterance.samples) / ENGINE_RATE
        most = round(_TOKENS_PER_SECOND * seconds) + _TOKENS_MORE
        limits = SearchLimits(START, END, most, length_reward=length_reward)
        if utterance.effort is Effort.PARTIAL:
            return Greedy(limits)
        return Beam(limits, self._bias(utterance.keywords), self._width)

    def _encode(self, samples: Samples) -> "_Decoder":
        (states,) = self._sessions.encoder.run(None, {"input_values": samples[np.newaxis]})
        heard = self._sessions.cross.run(None, {"encoder_hidden_states": states})
        return _Decoder(self._sessions.step, heard)


class _Decoder:
    """
    The decoder at one utterance: the encoder's keys and values, and those of the rows decoded so far.

    All rows share the encoder's; onnxruntime broadcasts them.  Repeated for four rows, every step would read four
    times as much: for 8 s of audio a third of its time, for the same result to the last bit.
    """

    def __init__(self, step: Net, heard: Sequence[Floats]) -> None:
        self._step = step
        self._heard = heard
        self._rows = 1
        self._written: Sequence[Floats] = ()

    def begin(self, tokens: Sequence[int]) -> Floats:
        """Begin again with one row of `tokens`.  Returns the logits of the token after each of them."""
        self._rows = 1
        empty = np.zeros((1, _HEADS, 0, _HEAD_SIZE), dtype=np.float32)
        self._written = [empty] * len(_DECODED)
        logits: Floats = self._run(np.array([tokens], dtype=np.int64))[0]
        return logits

    def keep(self, tokens: int) -> None:
        """Keep only the first `tokens` of each row."""
        if self._written[0].shape[2] > tokens:
            self._written = [np.ascontiguousarray(each[:, :, :tokens]) for each in self._written]

    def follow(self, tokens: Sequence[int], parents: Sequence[int]) -> LogProbs:
        """Log-probabilities of the token after each of `tokens`, which continue the rows `parents`."""
        if list(parents) != list(range(self._rows)):
            self._written = [each[list(parents)] for each in self._written]
        self._rows = len(parents)
        return log_softmax(self._run(np.array(tokens, dtype=np.int64)[:, np.newaxis])[:, -1])

    def _run(self, tokens: npt.NDArray[np.int64]) -> Floats:
        """The logits of the token after each of `tokens`, `[rows, tokens, vocabulary]`."""
        feed: dict[str, npt.NDArray[Any]] = dict(zip(_DECODED, self._written, strict=True))
        feed |= zip(_ENCODED, self._heard, strict=True)
        feed["input_ids"] = tokens
        logits, *self._written = self._step.run(None, feed)
        return logits


def _result(steps: Generator[None, None, Hypothesis]) -> Hypothesis:
    """What `steps` returns at its end."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        heard: Hypothesis = done.value
        return heard


def _is_too_short(found: Found, utterance: Utterance) -> bool:
    """Whether a text is so short for its audio that the search has probably lost the sentence."""
    seconds = len(utterance.samples) / ENGINE_RATE
    return 0 < len(found.tokens) < _LEAST_TOKENS_PER_SECOND * seconds


def _flags(*, looped: bool, cut: bool) -> tuple[str, ...]:
    named = {"loop_cut": looped, "length_cut": cut}
    return tuple(flag for flag, raised in named.items() if raised)
