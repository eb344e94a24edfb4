"""
The latest speech of each channel that this worker has recognised, as context for the next final.  Pure.

A short piece of a sentence is recognised better behind the words before it.  Another worker may have had those, or
this one may have started since: then there is no context.  Nothing depends on it but the text of the next final.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, ENGINE_RATE, UPSAMPLING
from protocol.redaction.segment.numbers_said import numbers_of
from protocol.scheduling.jobs import Job

from .engines.base import PreviousSpeech, RecognisedWord, Samples
from .upsampling import engine_samples

_LONGEST = 6 * ENGINE_RATE
"""Samples kept of a segment at most, from the beginning of a word on."""

_PAUSE = 2 * CALL_RATE
"""Longest pause, in samples of the call clock, after which speech may still be a part of the sentence before it."""

_CHANNELS = 128
"""Channels kept at most: 50 MB.  Those that were silent longest go first."""

_EACH = 2
"""Segments kept of a channel: a draft may be done before it is known that its segment goes on."""

_Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class _Heard:
    """A segment that was recognised.  `end`: on the call clock; `padding`: samples of silence that end `pcm`."""

    number: int
    language: str
    end: int
    padding: int
    pcm: Pcm = field(repr=False)
    text: str = field(repr=False)


class RecentSpeech:
    """What was recognised last on each channel.  Words that contain numbers are never kept: see `remember`."""

    def __init__(self, channels: int = _CHANNELS) -> None:
        """`channels`: number of channels kept at most."""
        self._most = channels
        self._kept: OrderedDict[_Key, tuple[_Heard, ...]] = OrderedDict()

    def before(self, job: Job) -> PreviousSpeech | None:
        """The speech shortly before the segment of `job`; None if this worker does not know it."""
        earlier = [one for one in self._kept.get(_key(job), ()) if one.number < _number(job)]
        last = max(earlier, key=lambda one: one.number, default=None)
        if last is None or job.flags or job.translate_to or last.language != job.language:
            return None
        if not last.text or not 0 <= job.start - last.end <= _PAUSE:
            return None
        adjoins = job.start == last.end
        kept = last.pcm[: len(last.pcm) - last.padding] if adjoins else last.pcm
        return PreviousSpeech(engine_samples(kept, ENGINE_RATE), last.text, adjoins)

    def remember(self, job: Job, samples: Samples, words: Sequence[RecognisedWord]) -> None:
        """
        Keep a final, or a draft, for the next segment.  `samples`: with the padding of the job.

        Of one with a number no word is kept: a repeated digit would hide a card number from the redaction.
        """
        if job.end is None:
            return
        kept, start = _latest(words, len(samples))
        if job.flags or job.translate_to or _has_numbers(words, job.language):
            kept = ()
        heard = _Heard(
            _number(job),
            job.language,
            job.end,
            UPSAMPLING * job.padding,
            _as_pcm(samples[start:]) if kept else np.zeros(0, np.int16),
            " ".join(word.text for word in kept),
        )
        self._keep(_key(job), heard)

    def _keep(self, key: _Key, heard: _Heard) -> None:
        others = [one for one in self._kept.pop(key, ()) if one.number != heard.number]
        self._kept[key] = tuple(sorted([*others, heard], key=lambda one: one.number)[-_EACH:])
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _latest(words: Sequence[RecognisedWord], samples: int) -> tuple[Sequence[RecognisedWord], int]:
    """The last words that fit into the longest context, and where their audio begins; none if that is unknown."""
    if samples <= _LONGEST:
        return words, 0
    for place, word in enumerate(words):
        if word.start is not None and word.start >= samples - _LONGEST:
            return words[place:], word.start
    return (), samples


def _as_pcm(samples: Samples) -> Pcm:
    """The samples in half the memory.  A resampled loud line exceeds the range of 16 bits."""
    return np.rint(samples * 32_768).clip(-32_768, 32_767).astype(np.int16)


def _has_numbers(words: Sequence[RecognisedWord], language: str) -> bool:
    texts = [word.text for word in words]
    return any(any(map(str.isdigit, text)) for text in texts) or bool(
        numbers_of(texts, language).numbers
    )


def _key(job: Job) -> _Key:
    return job.call_id, job.log, job.segment.channel


def _number(job: Job) -> int:
    return job.segment.number
