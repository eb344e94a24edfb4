"""
The interface between a worker and a speech recognition engine.

An engine receives utterances and knows no calls.  It is used from one thread at a time.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from protocol.clock import ENGINE_RATE
from protocol.events import Withheld
from protocol.scheduling.worker_capacity import Task

from .errors import EngineBrokenError as EngineBrokenError  # noqa: PLC0414  # engines look for it here
from .errors import EngineError as EngineError  # noqa: PLC0414

Samples = npt.NDArray[np.float32]
"""Audio of one channel: float32, `[n]`, at 16 kHz, values in [-1, 1]."""

SHORTEST = 1_600
"""Samples (0.1 s).  No word is shorter, and engines turn such clicks into words."""


class Effort(StrEnum):
    """How much work the engine shall spend on a text."""

    PARTIAL = "partial"
    """Fast and revisable: the speaker is still talking."""

    FINAL = "final"

    DRAFT = "draft"
    """A final requested before it is known that its segment ends.  Workers only: engines receive it as a final."""


@dataclass(frozen=True, slots=True)
class PreviousSpeech:
    """The speech of the same channel shortly before an utterance, whose words are final."""

    samples: Samples = field(repr=False)
    text: str = field(repr=False)
    """What was recognised in all of `samples`; without numbers, so that no engine can repeat any."""

    adjoins: bool = False
    """Whether the utterance begins with the next sample: speech was cut, not ended by a pause."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech, with all that an engine may know of it."""

    samples: Samples = field(repr=False)
    effort: Effort = Effort.FINAL
    language: str = "en"
    """ISO 639 code of the language spoken."""

    translate_to: str | None = None
    """ISO 639 code of the language to write; None: transcribe."""

    keywords: tuple[str, ...] = ()
    previous: str = ""
    """Text of the previous hypothesis for the beginning of the same utterance; empty if there was none."""

    key: str = ""
    """Identifies the utterance in all its hypotheses, so that an engine can keep state for it for a while."""

    speculative: bool = False
    """Whether its text may turn out not to be needed, so that other finals overtake it."""

    before: PreviousSpeech | None = None
    """Context for a final, which an engine may use; its words are not to be returned again."""

    unhurried: bool = False
    """Whether a better text is worth more of the processor's time: of a recording, not of a live call."""

    @property
    def is_too_short(self) -> bool:
        """Whether it is shorter than any word, so that no engine shall transcribe it."""
        return len(self.samples) < SHORTEST


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """
    A word as written.

    `start` and `end`: samples from the start of the utterance, at 16 kHz; `confidence`: 0 to 1.  None where the
    engine does not know.
    """

    text: str
    start: int | None = None
    end: int | None = None
    confidence: float | None = None
    leaned: bool = False
    """Whether the search leaned towards a keyword here, and found all of it."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The text that an engine recognised.  Without speech it has no words."""

    words: tuple[RecognisedWord, ...] = ()
    flags: tuple[str, ...] = ()
    """
    Remarks on the text: `loop_cut`, `length_cut`, `keyword_suspect:<term>`,
    `keywords_dropped:<count>`, `withheld:<reason>` ...
    """

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word.text for word in self.words)


WITHHELD_TOO_SHORT = Hypothesis(flags=(Withheld.TOO_SHORT.flag,))
"""The hypothesis for an utterance that is too short for words."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do.  Workers request nothing else of it."""

    name: str
    """Model and revision, for operators and for the transcript: `moonshine-base-en/int8`."""

    languages: frozenset[str]
    translations: frozenset[tuple[str, str]] = frozenset()
    """Pairs (language spoken, language written), ISO 639."""

    keywords: bool = False
    max_keywords: int | None = None
    """Most keywords used for one utterance: of a longer list the likeliest ones; None: no limit."""

    context: bool = False
    """Whether it uses `Utterance.before`."""

    partials: bool = True
    word_times: str | None = None
    """How word times are found, for example `ctc-alignment`; None: the engine gives no word times."""

    confidence: str | None = None
    """
    What the confidence of a word means; None: the engine gives none.

    `calibrated-probability`: in finals the probability that the word is right, fitted to recordings with texts; in
    partials the probabilities of its tokens.  `token-probability`: these in both.
    """

    max_batch: int = 1
    max_seconds: float = 15.0
    """Longest utterance in seconds.  Longer segments are cut before they reach the engine."""

    @property
    def is_calibrated(self) -> bool:
        """Whether the confidence of a word in a final is the probability that it is right."""
        return self.confidence == "calibrated-probability"

    @property
    def tasks(self) -> frozenset[Task]:
        """The tasks of the engine: pairs of language spoken and language written."""
        return frozenset((spoken, spoken) for spoken in self.languages) | self.translations


def check(utterance: Utterance, can: Capabilities) -> None:
    """Raise EngineError for an utterance that an engine cannot do.  The error's text contains no call content."""
    written = utterance.translate_to or utterance.language
    if utterance.language not in can.languages:
        raise EngineError(f"{can.name} does not know the language {utterance.language!r}")
    if (utterance.language, written) not in can.tasks:
        raise EngineError(f"{can.name} does not translate {utterance.language!r} into {written!r}")
    seconds = len(utterance.samples) / ENGINE_RATE
    if seconds > can.max_seconds:
        raise EngineError(
            f"{seconds:.1f} s at once: {can.name} takes {can.max_seconds:.0f} s at most"
        )


class EngineMemoryError(EngineBrokenError):
    """The machine lacks memory, and no utterance is at fault.  The process must be restarted."""


class Engine(Protocol):
    """A speech recogniser, loaded and warmed up."""

    @property
    def capabilities(self) -> Capabilities:
        """What the engine can do; constant."""
        ...

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """
        Transcribe `batch`.  Returns one hypothesis for each utterance, in order.

        A hypothesis does not depend on the rest of the batch.  Raises EngineError when an utterance is at fault
        (the caller then tries them one by one), and EngineBrokenError when the process must be restarted.  Blocks:
        call it outside the event loop.
        """
        ...


@runtime_checkable
class ContinuousEngine(Engine, Protocol):
    """
    An engine that accepts utterances while it decodes others.

    An engine declares this by having these methods.  A worker then never calls its `transcribe`.
    """

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """
        Add utterances.  Returns one ticket for each, in order.

        Raises EngineError, and adds none, when one of them is at fault.
        """
        ...

    def step(self) -> Sequence[tuple[int, Hypothesis | EngineError]]:
        """
        Advance all admitted utterances a little, for example by one token.

        Returns the finished ones as (ticket, hypothesis), or with the error that one of them caused.  Raises
        EngineBrokenError when the process must be restarted.  Blocks: call it outside the event loop.
        """
        ...


@runtime_checkable
class StepwiseEngine(Engine, Protocol):
    """
    An engine that transcribes utterances one after the other, in steps between which it can turn to another.

    An engine declares this by having this method.  A worker then never calls its `transcribe`: each utterance is
    answered when it is done, and finals overtake partials that wait or have begun.
    """

    def steps(self, utterance: Utterance) -> Generator[None, None, Hypothesis]:
        """
        Transcribe one utterance: the generator yields after each step and returns the hypothesis.

        It may be left for other utterances between two steps, or closed; other threads may advance other utterances
        at the same time.  Raises EngineError when the utterance is
        at fault, and EngineBrokenError when the process must be restarted.  Blocks: advance it outside the event
        loop.
        """
        ...
