"""
Whisper on the CPU, by faster-whisper: many languages, word times, translation into English.

Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (arXiv 2212.04356).  Whisper always
encodes 30 seconds, however short the utterance is.  A single word takes half a second or more, so this is an engine
for finals.  The weights are in CTranslate2's own plain format: tensors, no code.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, Word

from protocol.clock import ENGINE_RATE
from protocol.events import Withheld

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
from ..common.keyword_ranking import by_sound, sounding_like

HUB = "Systran/faster-whisper-base"
REVISION = "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
"""Pinned, so that results stay reproducible."""

_MAX_SECONDS = 30.0
_SILENT = -70.0
"""dBFS.  Whisper normalises its input, so the level does not matter as long as there is a signal."""

_NO_SPEECH, _UNLIKELY, _LONGEST_TEXT = 0.3, -0.8, 4.0
"""
Limits: Whisper's own probability of no speech, mean log-probability of a text, compression ratio of a text.

Measured with whisper-base.  Probability of no speech: telephone prompts under 0.2, numbers read out up to 0.41;
hiss, tones and music over 0.55, and over 0.38 with keywords in the prompt.  The text of hiss, tones and music had a
mean log-probability under -1.0, or repeated one phrase, with a compression ratio of 13.  Numbers read out had a
mean log-probability over -0.6 and a compression ratio of up to 2.6.
"""

_TOKENS_BEFORE, _TOKENS_PER_SECOND, _HALF_OF_TOKENS = 64, 30, 224
"""
Limit of the tokens of a short utterance: 64, and for each second twice as many as a full window has room for (448
in 30 s).  Without it, a text that repeats itself, as that of a click or a tone, fills the window, which takes ten
seconds of CPU time.  64: the text of a loop is then long enough for its compression ratio.  From half of the room
on, only the window limits.
"""

_LOOP_CUT, _IGNORED = "loop_cut", "keywords_ignored"

_LEAST_LIKENESS = 70.0
"""
Similarity of a keyword to some words of the text without keywords, from which it is given to Whisper.

Measured on speech in six languages: 19 of 19 names that were spoken have 72 or more, 9 of 10 pairs of a name and a
segment without it have less than 71.
"""

_MOST_TERMS, _MOST_TOKENS = 20, 64
"""Long prompts make small Whisper models loop, or ignore the first terms silently."""


@dataclass(frozen=True, slots=True)
class KeywordPrompt:
    """The keywords in Whisper's prompt, and the number of keywords that did not fit."""

    terms: tuple[str, ...] = ()
    dropped: int = 0

    def flagged(self, heard: Hypothesis) -> Hypothesis:
        """`heard` with a flag if keywords did not fit."""
        if not self.dropped:
            return heard
        return replace(heard, flags=(f"keywords_dropped:{self.dropped}", *heard.flags))


def load(
    folder: Path | None = None, hub: str = HUB, revision: str = REVISION, threads: int = 2
) -> "Whisper":
    """
    Load the engine from a `folder` in CTranslate2's format, or else from the Hugging Face hub.

    Raises EngineError when the folder holds no model or the hub cannot be reached.
    """
    if folder is not None and not (folder / "model.bin").is_file():
        raise EngineError(
            f"{folder} contains no Whisper model in CTranslate2 format: model.bin is missing"
        )
    try:
        model = WhisperModel(
            str(folder or hub),
            device="cpu",
            compute_type="int8",
            cpu_threads=threads,
            revision=revision,
        )
    except (OSError, RuntimeError, ValueError) as exc:
        raise EngineError(f"Whisper could not be loaded from {folder or hub}: {exc}") from exc
    return Whisper(model, f"{(folder or Path(hub)).name}/int8")


class Whisper:
    """The engine: faster-whisper with filters against hallucinated text."""

    def __init__(self, model: WhisperModel, name: str) -> None:
        self._model = model
        self._name = name

    @property
    def capabilities(self) -> Capabilities:
        """What the loaded weights can do: one language or about a hundred."""
        languages = frozenset(self._model.supported_languages)
        return Capabilities(
            name=self._name,
            languages=languages,
            translations=frozenset((spoken, "en") for spoken in languages - {"en"}),
            keywords=True,
            max_keywords=_MOST_TERMS,
            word_times="cross-attention",
            confidence="token-probability",
            max_batch=1,
            max_seconds=_MAX_SECONDS,
        )

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Raises EngineError when an utterance is too long or needs a task that the weights lack."""
        can = self.capabilities
        for utterance in batch:
            check(utterance, can)
        return [self._feed(utterance) for utterance in batch]

    def _feed(self, utterance: Utterance) -> Hypothesis:
        samples = utterance.samples
        if utterance.is_too_short:
            return WITHHELD_TOO_SHORT
        if (level := hallucination.loudness(samples)) < _SILENT:
            return Hypothesis()
        if utterance.effort is Effort.PARTIAL:
            return self._partial(utterance, level)
        plain = self._decode(utterance, (), level)
        prompt = self._prompt(_plausible(utterance, plain.text))
        return prompt.flagged(self._better(utterance, prompt.terms, plain, level))

    def _partial(self, utterance: Utterance, level: float) -> Hypothesis:
        """One pass, with the keywords that the previous partial makes plausible."""
        prompt = self._prompt(_plausible(utterance, utterance.previous))
        heard = self._decode(utterance, prompt.terms, level)
        if prompt.terms and hallucination.carried_away(_texts(heard), prompt.terms):
            return replace(self._decode(utterance, (), level), flags=(_IGNORED,))
        return prompt.flagged(heard)

    def _better(
        self, utterance: Utterance, terms: Sequence[str], plain: Hypothesis, level: float
    ) -> Hypothesis:
        """The text with keywords, or `plain` if they did harm."""
        if not terms:
            return plain
        biased = self._decode(utterance, terms, level)
        if _is_worse(biased, plain, terms):
            return replace(plain, flags=(_IGNORED, *plain.flags))
        return biased

    def _decode(self, utterance: Utterance, terms: Sequence[str], level: float) -> Hypothesis:
        """Transcribe, and remove the words that two independent criteria call false."""
        written = self._transcribe(utterance, terms)
        reasons = [_withheld(segment, level) for segment in written]
        length = len(utterance.samples)
        words = [
            word
            for segment, reason in zip(written, reasons, strict=True)
            if reason is None
            for word in _words(segment, length)
        ]
        kept = hallucination.without_loops(
            [_said(word) for word in words], length / ENGINE_RATE, complete=True
        )
        flags = [reason.flag for reason in dict.fromkeys(reasons) if reason is not None]
        return Hypothesis(
            tuple(replace(words[place], text=text) for place, text in kept.words),
            tuple(flags + [_LOOP_CUT] * kept.looped),
        )

    def _transcribe(self, utterance: Utterance, terms: Sequence[str]) -> list[Segment]:
        """Run the model.  The temperature is 0, so that the result is reproducible."""
        final = utterance.effort is Effort.FINAL
        segments, _ = self._model.transcribe(
            utterance.samples,
            language=utterance.language,
            task="transcribe" if _written(utterance) == utterance.language else "translate",
            beam_size=5 if final else 1,
            temperature=0.0,
            condition_on_previous_text=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
            without_timestamps=not final,
            word_timestamps=final,
            hotwords=", ".join(terms) or None,
            max_new_tokens=_most_tokens(len(utterance.samples)),
        )
        return list(segments)

    def _prompt(self, keywords: Iterable[str]) -> KeywordPrompt:
        """As many of the first keywords as the limits allow."""
        terms, tokens, offered = [], 0, tuple(keywords)
        for term in offered[:_MOST_TERMS]:
            tokens += len(
                self._model.hf_tokenizer.encode(f" {term},", add_special_tokens=False).ids
            )
            if tokens > _MOST_TOKENS:
                break
            terms.append(term)
        return KeywordPrompt(tuple(terms), len(offered) - len(terms))


def _most_tokens(length: int) -> int | None:
    """How many tokens `length` samples can take, or None if only the window limits them."""
    most = _TOKENS_BEFORE + math.ceil(_TOKENS_PER_SECOND * length / ENGINE_RATE)
    return most if most < _HALF_OF_TOKENS else None


def _plausible(utterance: Utterance, heard: str) -> tuple[str, ...]:
    """The keywords that sound like some of the words heard, most similar first."""
    language = _written(utterance)
    near = sounding_like(utterance.keywords, heard, _LEAST_LIKENESS, language)
    return by_sound(near, heard, language)


def _written(utterance: Utterance) -> str:
    """The language of the text."""
    return utterance.translate_to or utterance.language


def _is_worse(biased: Hypothesis, plain: Hypothesis, terms: Sequence[str]) -> bool:
    """Whether the keywords did harm: a loop, words that are withheld now, or a text with many terms."""
    lost = set(biased.flags) - set(plain.flags)
    return bool(lost) or hallucination.carried_away(_texts(biased), terms)


def _texts(heard: Hypothesis) -> list[str]:
    return [one.text for one in heard.words]


def _withheld(segment: Segment, level: float) -> Withheld | None:
    """The reason to withhold the words of a segment, or None.  Two criteria must agree."""
    log_probs = [segment.avg_logprob] if segment.text.strip() else []
    reason = hallucination.withheld(level, 0.0, log_probs)
    doubtful = segment.avg_logprob < _UNLIKELY or segment.compression_ratio > _LONGEST_TEXT
    if reason is None and log_probs and segment.no_speech_prob > _NO_SPEECH and doubtful:
        return Withheld.IMPROBABLE
    return reason


def _said(word: RecognisedWord) -> hallucination.WordEvidence:
    sure = math.log(max(word.confidence or 1.0, 1e-12))
    if word.start is None or word.end is None:
        return hallucination.WordEvidence(word.text, sure)
    return hallucination.WordEvidence(word.text, sure, (word.end - word.start) / ENGINE_RATE)


def _words(segment: Segment, length: int) -> list[RecognisedWord]:
    """
    The words of a segment, with times, if it has any, inside the `length` samples of the utterance.

    A piece without a leading space belongs to the word before it: `high` and `-quality` are one word.  In a script
    without spaces, as in Japanese, a segment is one word.
    """
    if segment.words is None:
        return [RecognisedWord(text) for text in segment.text.split()]
    words: list[RecognisedWord] = []
    for piece in segment.words:
        word = _timed(piece, length)
        if words and not piece.word.startswith(" "):
            word = _joined(words.pop(), word)
        words.append(word)
    return [word for word in words if word.text]


def _timed(piece: Word, length: int) -> RecognisedWord:
    start, end = (min(length, round(at * ENGINE_RATE)) for at in (piece.start, piece.end))
    return RecognisedWord(piece.word.strip(), start, end, float(piece.probability))


def _joined(one: RecognisedWord, other: RecognisedWord) -> RecognisedWord:
    """Both as one word, with the lower confidence."""
    sure = min(one.confidence or 0.0, other.confidence or 0.0)
    return RecognisedWord(one.text + other.text, one.start, other.end, sure)
