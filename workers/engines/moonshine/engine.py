"""
Moonshine base-en on the CPU: the default engine on machines without a GPU, and the engine of the tests.

English, up to 15 seconds.  One thread: more threads gain nothing, and processes scale better.
Utterances run one by one, because the model has no attention mask: padding to a longer neighbour would change the
text.
"""

import math
from collections.abc import Generator, Sequence
from pathlib import Path

import numpy as np

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
from ..common.beam_search import Found
from ..common.calibration import Calibration, features
from ..common.download import Progress
from ..common.huge_pages import use_huge_pages
from ..common.pauses import outside_pauses
from ..common.stepwise import result_of
from . import weights
from .alignment import token_boundaries
from .decoder import Decoder
from .keyword_search import BONUS_OF_NEAR, Recognised, at_first, better, plausible
from .left_context import Continued, LookingView, context_of, without_first_signs
from .open_utterances import OpenUtterances, encoded
from .second_view import BothViews, View, is_doubtful, with_noise_around
from .sessions import Floats, Sessions, open_sessions
from .token_search import TokenSearch
from .tokens import START, Spelled, Vocabulary, read_vocabulary

_MAX_SECONDS = 15.0
_MOST_SAMPLES = int(_MAX_SECONDS * ENGINE_RATE)

_CALIBRATION = Calibration(offset=2.766, word=0.444, segment=3.583)
"""Of finals; fitted by `bench/confidence.py` to telephone prompts, judged by other voices: docs/benchmarks.md."""

_SILENT = -70.0
"""dBFS.  The model works as well at -55 as at -15; audio below this limit is hardly one step of G.711."""

_LEAST_TOKENS_PER_SECOND = 0.7
_LENGTH_REWARD = 0.15
"""A sentence of 13 seconds came back as `1.`; searched again with this reward for each token, it was whole."""


def load(
    cache: Path | None = None,
    progress: Progress = lambda what, part: None,
    vendor_url: str = weights.VENDOR_URL,
    width: int = 4,
) -> "Moonshine":
    """
    Load and warm up the engine.  The first start on a machine prepares the weights in `cache` (20 s, 130 MB).

    `cache`: None is the user's own cache folder.  `width`: beam width for finals, with or without keywords; a width
    of 4 makes a fifth fewer errors on telephone prompts than 1, takes half as much time again, and is needed for
    keywords.  Raises EngineError when weights or packages are missing.
    """
    folder = weights.ready(cache, progress, vendor_url)
    engine = Moonshine(open_sessions(folder), read_vocabulary(folder / weights.TOKENIZER), width)
    engine.transcribe([Utterance(np.zeros(ENGINE_RATE, dtype=np.float32))])
    use_huge_pages()
    return engine


class Moonshine:
    """The engine: a search over three graphs, with filters against hallucinated text."""

    capabilities = Capabilities(
        name="moonshine-base-en/int8",
        languages=frozenset({"en"}),
        keywords=True,
        context=True,
        partials=True,
        word_times="cross-attention",
        confidence="calibrated-probability",
        max_batch=1,
        max_seconds=_MAX_SECONDS,
    )
    calibration = _CALIBRATION

    def __init__(self, sessions: Sessions, vocabulary: Vocabulary, width: int) -> None:
        self._sessions = sessions
        self._vocabulary = vocabulary
        self._search = TokenSearch(vocabulary, width)
        self._open = OpenUtterances(sessions.encoder)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Raises EngineError when an utterance is too long or not in English."""
        for utterance in batch:
            check(utterance, self.capabilities)
        return [result_of(self.steps(utterance)) for utterance in batch]

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """See StepwiseEngine.  A step is the encoder's run, or some tokens."""
        check(utterance, self.capabilities)
        samples = utterance.samples
        if utterance.is_too_short:
            return WITHHELD_TOO_SHORT
        if (level := hallucination.loudness(samples)) < _SILENT:
            return Hypothesis()
        if (continued := (yield from self._continued(utterance, level))) is not None:
            return continued
        decoder = self._listening(utterance)
        yield
        heard = yield from self._found(utterance, decoder)
        found = heard.found
        reason = hallucination.withheld(
            level, found.nothing, found.log_probs, complete=found.complete
        )
        if reason is not None:
            told = hallucination.is_worth_a_flag(found.nothing, found.log_probs)
            return Hypothesis(flags=(reason.flag,) if told else ())
        return self._written(heard, utterance, decoder)

    def _continued(
        self, utterance: Utterance, level: float
    ) -> Generator[None, None, Hypothesis | None]:
        """
        The words of a short final after the speech before it (see `left_context`).

        None without such speech, and if the search does not end well: then the final is decoded alone.
        """
        context = context_of(utterance, self._vocabulary, _MOST_SAMPLES)
        if context is None:
            return None
        view = Continued(self._encode(context.samples), context.prefix, context.start)
        yield
        if self._vocabulary.ends_sentence(int(view.begin([START])[0].argmax())):
            return None
        few = at_first(utterance.keywords)
        found = yield from self._search.run(utterance, view, few)
        if not found.complete or not found.tokens or _is_too_short(found, utterance):
            return None
        if hallucination.withheld(level, found.nothing, found.log_probs) is not None:
            return None
        heard = yield from self._with_near_terms(utterance, view, Recognised(found, few))
        return self._written(heard, utterance, view)

    def _written(self, heard: Recognised, utterance: Utterance, decoder: LookingView) -> Hypothesis:
        """The words of a row, less its loops; those of a final with times."""
        found, leaned = heard.found, self._leaned(heard)
        seconds = len(utterance.samples) / ENGINE_RATE
        sure = [math.exp(log_prob) for log_prob in found.log_probs]
        spelled: Sequence[Spelled] = self._vocabulary.spell(found.tokens, sure)
        if isinstance(decoder, Continued):
            spelled = without_first_signs(spelled)
        said = [hallucination.WordEvidence(word.text, word.log_prob) for word in spelled]
        kept = hallucination.without_loops(said, seconds, complete=found.complete)
        confidence = self._confidence(spelled, utterance.effort)
        times = self._times(found, spelled, utterance, decoder)
        words = tuple(
            RecognisedWord(
                text,
                start=times[place][0],
                end=times[place][1],
                confidence=confidence[place],
                leaned=leaned.issuperset(spelled[place].places),
            )
            for place, text in kept.words
        )
        return Hypothesis(words, _flags(looped=kept.looped, cut=not found.complete))

    def _confidence(self, spelled: Sequence[Spelled], effort: Effort) -> Sequence[float]:
        """Of each word: calibrated in a final; in a partial the product of its tokens' probabilities."""
        probabilities = [word.probability for word in spelled]
        if effort is not Effort.FINAL:
            return probabilities
        return [self.calibration.confidence(*values) for values in features(probabilities)]

    def _times(
        self, found: Found, spelled: Sequence[Spelled], utterance: Utterance, decoder: LookingView
    ) -> Sequence[tuple[int, int] | tuple[None, None]]:
        """Start and end of each word of a final; partials have no times."""
        if utterance.effort is not Effort.FINAL or not spelled:
            return [(None, None)] * len(spelled)
        samples = utterance.samples
        bounds = token_boundaries(decoder.attentions(found.tokens), len(samples))
        spans = [(bounds[word.places.start], bounds[word.places.stop]) for word in spelled]
        return outside_pauses(spans, samples)

    def _leaned(self, heard: Recognised) -> frozenset[int]:
        """The places of tokens that the search leaned towards, with the signs behind them."""
        tokens = heard.found.tokens
        leaned = set(self._search.bias(heard.terms).inside(tokens)) if heard.terms else set[int]()
        for place, token in enumerate(tokens):
            if place - 1 in leaned and self._vocabulary.is_sign(token):
                leaned.add(place)
        return frozenset(leaned)

    def _found(self, utterance: Utterance, decoder: Decoder) -> Generator[None, None, Recognised]:
        """The text; of a final, searched again for the keywords that it sounds like."""
        terms = utterance.keywords if utterance.effort is Effort.FINAL else ()
        few = at_first(terms)
        view, found = yield from self._viewed(utterance, decoder, few)
        return (yield from self._with_near_terms(utterance, view, Recognised(found, few)))

    def _with_near_terms(
        self, utterance: Utterance, view: View, first: Recognised
    ) -> Generator[None, None, Recognised]:
        """`first`; of a final, or what a second search finds with the keywords that it sounds like."""
        terms = utterance.keywords if utterance.effort is Effort.FINAL else ()
        again = plausible(self._vocabulary, terms, first)
        if not again:
            return first
        second = yield from self._search.run(utterance, view, again, bonus=BONUS_OF_NEAR)
        return better(self._vocabulary, first, Recognised(second, again))

    def _viewed(
        self, utterance: Utterance, decoder: Decoder, terms: tuple[str, ...]
    ) -> Generator[None, None, tuple[View, Found]]:
        """The text, and the view of the audio in which it was found."""
        best = yield from self._search.candidates(utterance, decoder, terms)
        found = best[0]
        if utterance.effort is not Effort.FINAL:
            return decoder, found
        if _is_too_short(found, utterance):
            again = yield from self._search.run(utterance, decoder, terms, reward=_LENGTH_REWARD)
            return decoder, max(found, again, key=lambda one: len(one.tokens))
        seconds = len(utterance.samples) / ENGINE_RATE
        if is_doubtful(self._probabilities(found), seconds, unhurried=utterance.unhurried):
            second = self._encode(with_noise_around(utterance.samples, _MOST_SAMPLES))
            yield
            both = BothViews(decoder, second)
            if utterance.unhurried:
                found = yield from self._search.run(utterance, both, terms)
            else:
                found = yield from self._search.in_both_views(best, second)
            return both, found
        return decoder, found

    def _probabilities(self, found: Found) -> list[float]:
        """The probability of each word, product of those of its tokens."""
        sure = [math.exp(log_prob) for log_prob in found.log_probs]
        return [word.probability for word in self._vocabulary.spell(found.tokens, sure)]

    def _listening(self, utterance: Utterance) -> Decoder:
        """The decoder at an utterance; of a partial only the end is encoded, if its beginning was."""
        if utterance.effort is Effort.PARTIAL:
            return self._decoder(self._open.encode(utterance.key, utterance.samples))
        if not utterance.speculative:
            self._open.forget(utterance.key)
        return self._encode(utterance.samples)

    def _encode(self, samples: Samples) -> Decoder:
        return self._decoder(encoded(self._sessions.encoder, samples))

    def _decoder(self, states: Floats) -> Decoder:
        heard = self._sessions.cross.run(None, {"encoder_hidden_states": states})
        return Decoder(self._sessions.step, heard)


def _is_too_short(found: Found, utterance: Utterance) -> bool:
    """Whether a text is so short for its audio that the search has probably lost the sentence."""
    seconds = len(utterance.samples) / ENGINE_RATE
    return 0 < len(found.tokens) < _LEAST_TOKENS_PER_SECOND * seconds


def _flags(*, looped: bool, cut: bool) -> tuple[str, ...]:
    named = {"loop_cut": looped, "length_cut": cut}
    return tuple(flag for flag, raised in named.items() if raised)
