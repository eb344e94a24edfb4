"""One channel of a live call without a pipeline: segments, drafts, waiting, partials; the worker is never late."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from protocol.audio import Pcm
from protocol.events import LoadLevel, SegmentId, Span
from protocol.scheduling.jobs import Job
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.endpointing import TICK
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SegmentPaused, SoundEvent
from streaming.audio.vad_runner import VadModel, run_vad_single
from streaming.call.segments.partial_schedule import PartialSchedule
from workers.engines.base import Effort, Engine, Hypothesis, Utterance
from workers.recent_speech import RecentSpeech
from workers.text.doubt import is_doubtful
from workers.upsampling import engine_samples


@dataclass(frozen=True, slots=True)
class Piece:
    """A segment that was recognised.  `late`: samples from its end to the tick that closed it, at 8 kHz."""

    text: str
    span: Span
    late: int
    waited: bool
    """Whether it waited for more speech in the pause that closed it."""


@dataclass(slots=True)
class DraftedChannel:
    """
    Feed it samples.  Without `context`, each segment is heard alone.

    `partials`: where partials are requested; None: there are none.
    """

    engine: Engine
    settings: Endpointing
    silero: VadModel | None
    context: bool = True
    partials: PartialSchedule | None = None
    pieces: list[Piece] = field(default_factory=list)
    drafts: int = 0
    waits: int = 0
    """Pauses in which a segment waited for more speech, because its draft was doubtful."""

    _segmenter: ChannelSegmenter = field(init=False)
    _recent: RecentSpeech = field(default_factory=RecentSpeech)
    _grown: list[Pcm] = field(default_factory=list)
    _waits: bool = False
    _draft: tuple[Span, Hypothesis] | None = None
    _before: str = ""

    def __post_init__(self) -> None:
        self._segmenter = ChannelSegmenter(self.settings)

    def play(self, pcm: Pcm) -> Sequence[Piece]:
        """Feed a whole channel (int16 `[n]` at 8 kHz), and hang up.  Returns the segments."""
        for start in range(0, len(pcm), TICK):
            for event in run_vad_single(self._segmenter, pcm[start : start + TICK], self.silero):
                self._take(event)
        for event in self._segmenter.finish():
            self._take(event)
        return self.pieces

    def _take(self, event: SoundEvent) -> None:
        match event:
            case SegmentGrew():
                self._grow(event)
            case SegmentPaused():
                self._pause(event)
            case SegmentClosed():
                self._close(event)
            case _:
                pass

    def _grow(self, grew: SegmentGrew) -> None:
        segment = SegmentId(0, grew.number)
        if self.partials and not self._grown:
            self.partials.begin(segment, 0)
        self._grown.append(grew.pcm)
        if self.partials is None:
            return
        self.partials.feed(segment, len(grew.pcm))
        if grew.speaking and self.partials.ask(segment, LoadLevel.NORMAL):
            self.partials.answered(segment)
            samples = engine_samples(np.concatenate([*self._grown]))
            asked = Utterance(samples, Effort.PARTIAL, previous=self._before, key=str(segment))
            self._before = self.engine.transcribe([asked])[0].text

    def _pause(self, paused: SegmentPaused) -> None:
        self.drafts += 1
        draft = self._transcribed(paused)
        self._waits = is_doubtful(draft.words) and self._segmenter.wait(
            paused.number, paused.span.end
        )
        self.waits += self._waits

    def _close(self, closed: SegmentClosed) -> None:
        text = self._transcribed(closed).text
        late = self._segmenter.decided - closed.span.end
        self.pieces.append(Piece(text, closed.span, late, self._waits))
        self._grown, self._waits, self._before = [], False, ""

    def _transcribed(self, event: SegmentPaused | SegmentClosed) -> Hypothesis:
        """The hypothesis of a segment, or of its draft; that of a draft only once."""
        span, segment = event.span, SegmentId(0, event.number)
        if self._draft and self._draft[0] == span:
            return self._draft[1]
        job = Job("c", "", segment, span.start, 0.0, "en", end=span.end, padding=event.padding)
        is_last = isinstance(event, SegmentClosed)
        silence = np.zeros(event.padding, dtype=np.int16)
        pcm = np.concatenate([*self._grown])[: event.samples]
        samples = engine_samples(np.concatenate([pcm, silence]))
        before = self._recent.before(job) if self.context else None
        heard = self.engine.transcribe(
            [Utterance(samples, before=before, key=str(segment), speculative=not is_last)]
        )[0]
        self._recent.remember(job, samples, heard.words)
        self._draft = span, heard
        return heard
