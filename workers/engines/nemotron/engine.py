"""
Nemotron 3.5 ASR streaming on the CPU: many languages, partials that cost only their new audio.

A cache-aware FastConformer and a transducer.  A partial encodes the chunks that are new and keeps their state; what
follows the last whole chunk is decoded provisionally, from a copy of the state.  A final decodes all that is left.
"""

from collections.abc import Generator, Mapping, Sequence

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
from ..common.stepwise import result_of
from .open_utterances import OpenUtterances, Progress
from .spelling import Spelled, Tokenizer, spelled
from .streaming_encoder import StreamingEncoder
from .transducer import Emission, Transducer

MAX_SECONDS = 30.0
"""The model itself has no limit: its attention has a window.  This bounds what is kept of an utterance."""

_SILENT = -70.0
"""dBFS.  Below it, 16-bit audio holds no words."""

_SECONDS_A_STEP = 4.0
"""Most audio that is encoded before finals may overtake."""


class Nemotron:
    """The engine: a loaded model, and the states of utterances that grow.  For several threads."""

    def __init__(
        self,
        encoder: StreamingEncoder,
        transducer: Transducer,
        tokenizer: Tokenizer,
        prompts: Mapping[str, int],
        name: str,
        most_open: int,
        *,
        provisional: bool = True,
    ) -> None:
        """
        `prompts`: number of each language, by ISO 639 code; `most_open`: utterances kept at most.

        `provisional`: whether partials show what follows the last whole chunk.
        """
        self._encoder, self._transducer, self._tokenizer = encoder, transducer, tokenizer
        self._prompts, self._shows_all = prompts, provisional
        self._open = OpenUtterances(most_open)
        chunks = max(1, round(_SECONDS_A_STEP * ENGINE_RATE / (encoder.chunk * encoder.hop)))
        self._most_frames = chunks * encoder.chunk
        self.capabilities = Capabilities(
            name=name,
            languages=frozenset(prompts),
            partials=True,
            word_times="transducer-emission",
            confidence="token-probability",
            max_batch=1,
            max_seconds=MAX_SECONDS,
        )

    @property
    def open_count(self) -> int:
        """Number of utterances whose state is kept."""
        return len(self._open)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine.  Raises EngineError when an utterance is too long or in a language without a prompt."""
        for utterance in batch:
            check(utterance, self.capabilities)
        return [result_of(self.steps(utterance)) for utterance in batch]

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """See StepwiseEngine.  A step is at most four seconds of audio."""
        check(utterance, self.capabilities)
        samples = utterance.samples
        if utterance.is_too_short:
            return WITHHELD_TOO_SHORT
        if (level := hallucination.loudness(samples)) < _SILENT:
            return Hypothesis()
        words = spelled((yield from self._emissions(utterance)), self._tokenizer)
        log_probs = [each for word in words for each in word.log_probs]
        if reason := hallucination.withheld(level, 0.0, log_probs):
            told = hallucination.is_worth_a_flag(0.0, log_probs)
            return Hypothesis(flags=(reason.flag,) if told else ())
        return self._written(words, len(samples))

    def _emissions(self, utterance: Utterance) -> Generator[None, None, list[Emission]]:
        """The tokens of an utterance.  Its whole chunks are kept if it may grow."""
        samples, prompt = utterance.samples, self._prompts[utterance.language]
        taken = self._open.take(utterance.key, samples, prompt)
        progress = taken or Progress(prompt, self._transducer.start)
        final = utterance.effort is not Effort.PARTIAL
        if final and not utterance.speculative:
            yield from self._advance(progress, samples, self._encoder.all_frames(len(samples)))
            return list(progress.emissions)
        complete = self._encoder.complete_frames(len(samples))
        try:
            yield from self._advance(progress, samples, complete - complete % self._encoder.chunk)
        except GeneratorExit:  # left for another utterance: what is done stays done
            self._keep(utterance, progress)
            raise
        self._keep(utterance, progress)
        if not (final or self._shows_all):
            return list(progress.emissions)
        end = self._encoder.all_frames(len(samples)) if final else complete
        return [*progress.emissions, *self._provisional(progress, samples, end)]

    def _advance(
        self, progress: Progress, samples: Samples, end: int
    ) -> Generator[None, None, None]:
        """Encode and decode up to frame `end`, a step at a time."""
        while (left := end - progress.encoder.frames) > 0:
            self._advance_once(progress, samples, min(left, self._most_frames))
            yield

    def _advance_once(self, progress: Progress, samples: Samples, frames: int) -> None:
        first = progress.encoder.frames
        encoded = self._encoder.encode(progress.encoder, samples, frames, progress.prompt)
        progress.decoder, written = self._transducer.decode(progress.decoder, encoded, first)
        progress.emissions += tuple(written)

    def _provisional(self, progress: Progress, samples: Samples, end: int) -> Sequence[Emission]:
        """The tokens behind the last whole chunk, up to frame `end`; `progress` stays as it is."""
        state = progress.encoder.copied()
        if end <= state.frames:
            return ()
        first = state.frames
        encoded = self._encoder.encode(state, samples, end - first, progress.prompt)
        return self._transducer.decode(progress.decoder, encoded, first)[1]

    def _keep(self, utterance: Utterance, progress: Progress) -> None:
        progress.samples = utterance.samples[: self._encoder.heard(progress.encoder.frames)]
        self._open.keep(utterance.key, progress)

    def _written(self, words: Sequence[Spelled], length: int) -> Hypothesis:
        """The words less their loops, with times inside the `length` samples of the utterance."""
        said = [hallucination.WordEvidence(word.text, word.log_prob) for word in words]
        kept = hallucination.without_loops(said, length / ENGINE_RATE, complete=True)
        times = self._times(words, length)
        recognised = tuple(
            RecognisedWord(text, *times[place], confidence=words[place].probability)
            for place, text in kept.words
        )
        return Hypothesis(recognised, ("loop_cut",) * kept.looped)

    def _times(self, words: Sequence[Spelled], length: int) -> Sequence[tuple[int, int]]:
        """From the frame of a word's first token to the end of that of its last, or to the next word."""
        hop = self._encoder.hop
        starts = [min(word.first * hop, length) for word in words]
        ends = [min((word.last + 1) * hop, length) for word in words]
        following = [*starts, length][1:]
        return [
            (start, max(start, min(end, next_start)))
            for start, end, next_start in zip(starts, ends, following, strict=True)
        ]
