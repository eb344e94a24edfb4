"""
What a worker asks of a recogniser.

An engine knows utterances, not calls.  It is used from one thread at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from protocol.events import Withheld
from protocol.worker_capacity import Task

Samples = npt.NDArray[np.float32]
"""Mono, 16 kHz, in [-1, 1]."""

SHORTEST = 1_600
"""Samples: a tenth of a second.  No word is shorter, and engines make words of such clicks."""


class Effort(StrEnum):
    """How good the text has to be."""

    PARTIAL = "partial"
    """Quick and revisable: the speaker is still talking."""

    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech and all that an engine may know of it."""

    samples: Samples = field(repr=False)
    effort: Effort = Effort.FINAL
    language: str = "en"
    """ISO 639 code of what is spoken."""

    translate_to: str | None = None
    """ISO 639 code of the language to write; None transcribes."""

    keywords: tuple[str, ...] = ()
    previous: str = ""
    """Text of the last hypothesis for the beginning of the same utterance, if there was one."""

    key: str = ""
    """The same for all hypotheses of one utterance: engines may keep state by it, for a while."""

    @property
    def is_too_short(self) -> bool:
        """Whether it is shorter than any word: an engine is not to be asked."""
        return len(self.samples) < SHORTEST


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """A word as written; `start` and `end` in samples of the utterance, where the engine knows them."""

    text: str
    start: int | None = None
    end: int | None = None
    confidence: float | None = None
    leaned: bool = False
    """Whether the search leaned towards a keyword here, and found all of it."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What an engine heard.  No speech is no words."""

    words: tuple[RecognisedWord, ...] = ()
    flags: tuple[str, ...] = ()
    """
    What the reader should know: `loop_cut`, `length_cut`, `keyword_suspect:<term>`,
    `keywords_dropped:<count>`, `withheld:<reason>` ...
    """

    @property
    def text(self) -> str:
        """The words, joined."""
        return " ".join(word.text for word in self.words)


WITHHELD_TOO_SHORT = Hypothesis(flags=(Withheld.TOO_SHORT.flag,))
"""What is said of an utterance that is too short for words."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do.  What is not declared is not asked of it."""

    name: str
    """Model and revision, for people and for the transcript: `moonshine-base-en/int8`."""

    languages: frozenset[str]
    translations: frozenset[tuple[str, str]] = frozenset()
    """Pairs (spoken, written)."""

    keywords: bool = False
    max_keywords: int | None = None
    """Most keywords that it is given for one utterance, the likeliest of longer lists; None: no limit."""

    partials: bool = True
    word_times: str | None = None
    """How the times of words are found, `ctc-alignment` for instance; None where there are none."""

    confidence: str | None = None
    """What the confidence of a word is, `token-probability` for instance; None where there is none."""

    max_batch: int = 1
    max_seconds: float = 15.0
    """Longest utterance in seconds; longer ones are cut before they get here."""

    @property
    def tasks(self) -> frozenset[Task]:
        """Language spoken and language written: what may be asked of it."""
        return frozenset((spoken, spoken) for spoken in self.languages) | self.translations


class EngineError(Exception):
    """The engine cannot do this utterance, now or ever: trying again is useless.  The text is for operators."""


class EngineBrokenError(Exception):
    """The engine cannot do anything any more: the process must end and be started anew."""


class Engine(Protocol):
    """A recogniser, loaded and warm."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; constant."""
        ...

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """
        One hypothesis for each utterance, in order; the same whatever else is in the batch.

        Raises EngineError when an utterance is at fault (the caller then tries them one by one), and
        EngineBrokenError when the process has to go.  Blocks: call it off the event loop.
        """
        ...


@runtime_checkable
class ContinuousEngine(Engine, Protocol):
    """
    An engine whose utterances join while others are being written.

    Having these verbs is the declaration: whoever has them is never asked for whole batches by a worker.
    """

    def admit(self, utterances: Sequence[Utterance]) -> list[int]:
        """
        Take in utterances; one ticket for each, in order.

        Raises EngineError, and takes in none, when one of them is at fault.
        """
        ...

    def step(self) -> list[tuple[int, Hypothesis]]:
        """
        Get on a little with everybody, a token for instance; who is finished now, with the ticket.

        Raises EngineBrokenError when the process has to go.  Blocks: call it off the event loop.
        """
        ...
