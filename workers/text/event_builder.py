"""Builds utterances from jobs, and the events of a call from hypotheses.  Pure."""

from dataclasses import replace

from protocol.calls.keywords import NEAR
from protocol.calls.spelling import asks_for_letters
from protocol.clock import UPSAMPLING
from protocol.events import Final, Partial, SegmentFailed, Span, Timing, Word
from protocol.formatting.partials import shown_partial
from protocol.redaction.masking import collapsed
from protocol.scheduling.jobs import Job

from ..engines.base import Effort, Hypothesis, RecognisedWord, Samples, Utterance
from .keyword_match import keywords_in, written_as_listed
from .near_terms import near_terms
from .spelling import spelled
from .stabiliser import Stabilised

_STABLE = "stable:"


def utterance_of(job: Job, effort: Effort, samples: Samples, previous: str) -> Utterance:
    """
    The utterance of a job.

    `samples`: audio as engines take it (see Samples); `previous`: text of the previous hypothesis.
    """
    return Utterance(
        samples=samples,
        effort=Effort.FINAL if effort is Effort.DRAFT else effort,
        speculative=effort is Effort.DRAFT,
        language=job.language,
        translate_to=job.translate_to,
        keywords=job.keywords,
        previous=previous,
        key=f"{job.log}:{job.segment}",
    )


def span_of(job: Job, samples: int) -> Span:
    """Start and end of the job's audio on the call clock; `samples` at 16 kHz count only while it is open."""
    return Span(job.start, job.start + samples // UPSAMPLING if job.end is None else job.end)


def final_of(job: Job, heard: Hypothesis, engine: str, timing: Timing) -> Final:
    """The terminal event of a segment that was transcribed."""
    language = job.translate_to or job.language
    asked = job.spelling or asks_for_letters([word.text for word in heard.words], language)
    heard = replace(heard, words=spelled(heard.words, language, asked=asked))
    written = written_as_listed(heard.words, job.keywords, language)
    words, span = zip(heard.words, written, strict=True), span_of(job, 0)
    return Final(
        segment=job.segment,
        span=span,
        words=tuple(_placed(replace(word, text=text), span) for word, text in words),
        language=language,
        keywords_revision=job.keywords_revision,
        keywords_found=keywords_in(heard.words, job.keywords, language),
        engine=engine,
        timing=timing,
        flags=(*job.flags, *heard.flags, *_near_flags(job, heard, language)),
    )


def _near_flags(job: Job, heard: Hypothesis, language: str) -> tuple[str, ...]:
    near = near_terms([word.text for word in heard.words], job.keywords, language)
    return tuple(f"{NEAR}{term}" for term in near)


def partial_of(job: Job, span: Span, revision: int, heard: Stabilised) -> Partial:
    """The partial of an open segment."""
    shown, stable = collapsed(heard.words, heard.stable, job.redaction)
    if job.form.changes_words:
        language = job.translate_to or job.language
        shown, stable = shown_partial(shown, stable, language, job.form)
    return Partial(job.segment, span, revision, tuple(Word(text) for text in shown), stable)


def stable_in(heard: Hypothesis) -> int:
    """Number of words that the engine itself declares stable: `stable:<count>` among the flags, else 0."""
    counts = [flag.removeprefix(_STABLE) for flag in heard.flags if flag.startswith(_STABLE)]
    return max((int(count) for count in counts if count.isdigit()), default=0)


def failure_of(job: Job, reason: str) -> SegmentFailed:
    """The terminal event of a segment that could not be transcribed."""
    return SegmentFailed(job.segment, span_of(job, 0), reason)


def _placed(word: RecognisedWord, span: Span) -> Word:
    """The word with its times on the call clock; `span`: of the segment, behind which there may be padding."""
    if word.start is None or word.end is None:
        return Word(word.text, confidence=word.confidence)
    start, end = (
        min(span.start + position // UPSAMPLING, span.end) for position in (word.start, word.end)
    )
    return Word(word.text, start, end, word.confidence)
