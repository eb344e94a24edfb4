"""
Transcribe a recording in one process: speech segmentation and an engine, without gateway, queue or store.

Like `trunkline.py`, this module is above the parts and combines them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from protocol.audio import Pcm
from protocol.calls.call import BY_GREETING, RoleRule
from protocol.calls.spelling import SpellingRequests
from protocol.clock import CALL_RATE
from protocol.events import Final, SegmentId, Span, Timing
from protocol.redaction.policy import CARD_DATA_POLICY, Policy
from protocol.redaction.whole_call import redacted_call
from protocol.scheduling.jobs import Job
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.endpointing_settings import RECORDED
from streaming.audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
)
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.audio.voice_activity.vad_choice import Vad
from transcripts.transcript import CallSummary, Ending, StoredSegment, Transcript
from workers.engines.base import Engine, Utterance
from workers.recent_speech import RecentSpeech
from workers.speakers.labelling import labelled_recording
from workers.speakers.voice_encoder import HOP, SHORTEST, Voices, VoiceWindows
from workers.text.event_builder import final_of
from workers.upsampling import engine_samples


@dataclass(slots=True)
class _Growing:
    audio: list[Pcm] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cut:
    """One segment of a recording, with its audio at 8 kHz."""

    segment: SegmentId
    span: Span
    pcm: Pcm = field(repr=False)


def transcribe_recording(
    channels: Sequence[Pcm],
    engine: Engine,
    *,
    language: str = "en",
    keywords: tuple[str, ...] = (),
    progress: Callable[[float], None] = lambda _: None,
    policy: Policy = CARD_DATA_POLICY,
    speakers: int = 0,
    role_rule: RoleRule = BY_GREETING,
    voices: Voices | None = None,
) -> Transcript:
    """
    Transcribe `channels` (int16 at 8 kHz), and redact the words by `policy`.

    Calls `progress` with the completed part, 0 to 1.  `speakers`: most speakers that `voices` tells apart if there
    is one channel; 0: none.  `role_rule`: how they get roles.
    """
    longest = engine.capabilities.max_seconds
    cuts = [cut for number, pcm in enumerate(channels) for cut in cut_up(number, pcm, longest)]
    cuts.sort(key=lambda cut: cut.span.start)
    total = sum(cut.span.end - cut.span.start for cut in cuts)
    finals, done, recent = list[Final](), 0, RecentSpeech()
    spelling = SpellingRequests()
    tells_apart = voices if speakers and len(channels) == 1 else None
    windows = list[VoiceWindows | None]()
    for cut in cuts:
        samples = engine_samples(cut.pcm)
        job = Job(
            "recording", "", cut.segment, cut.span.start, 0.0, language,
            keywords=keywords, end=cut.span.end, spelling=spelling.covers(cut.span.start),
        )  # fmt: skip
        utterance = Utterance(
            samples,
            language=language,
            keywords=keywords,
            before=recent.before(job),
            unhurried=True,
        )
        heard = engine.transcribe([utterance])[0]
        recent.remember(job, samples, heard.words)
        if tells_apart is not None:
            is_long = len(samples) >= SHORTEST
            windows.append(tells_apart.windows(samples, HOP) if is_long else None)
        final = final_of(job, heard, engine.capabilities.name, Timing(0, 0))
        spelling.hear(final)
        finals.append(final)
        done += cut.span.end - cut.span.start
        progress(done / total)
    if tells_apart is not None:
        finals = labelled_recording(finals, windows, speakers, role_rule)
    segments = [_stored(final) for final in redacted_call(finals, policy)]
    segments.sort(key=lambda one: (one.span.start, one.segment.channel))
    roles = ("agent", "customer") if len(channels) == 2 else ("mixed",) * len(channels)
    duration = max(len(pcm) for pcm in channels)
    call = CallSummary("recording", roles, language, "file", time.time(), "completed", duration)
    return Transcript(call, tuple(segments))


def cut_up(channel: int, pcm: Pcm, max_seconds: float = 14.0) -> Iterator[Cut]:
    """Cut one channel (int16 at 8 kHz) into segments of at most `max_seconds`, as a gateway does for recordings."""
    weights = silero_weights()
    longest = min(RECORDED.maximum_ms, int(max_seconds * 1_000))
    window = min(RECORDED.cut_window_ms, longest // 2)
    endpointing = replace(RECORDED, maximum_ms=longest, cut_window_ms=window)
    segmenter = ChannelSegmenter(endpointing, vad=Vad.BOTH if weights else Vad.WEBRTC)
    silero = Silero(weights) if weights else None
    growing: dict[int, _Growing] = {}
    for start in range(0, len(pcm), CALL_RATE):
        events = run_vad_single(segmenter, pcm[start : start + CALL_RATE], silero)
        yield from _closed(channel, events, growing)
    yield from _closed(channel, segmenter.finish(), growing)


def _closed(
    channel: int, events: Sequence[SoundEvent], growing: dict[int, _Growing]
) -> Iterator[Cut]:
    for event in events:
        match event:
            case SegmentOpened(number, _):
                growing[number] = _Growing()
            case SegmentGrew(number, pcm):
                growing[number].audio.append(pcm)
            case SegmentPaused():
                pass
            case SegmentClosed(number, span, samples, _):
                audio = np.concatenate(growing.pop(number).audio)[:samples]
                yield Cut(SegmentId(channel, number), span, audio)


def _stored(final: Final) -> StoredSegment:
    return StoredSegment(
        final.segment,
        final.span,
        Ending.FINAL,
        final.words,
        language=final.language,
        keywords_found=final.keywords_found,
        engine=final.engine,
        flags=final.flags,
    )
