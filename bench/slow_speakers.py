"""
Word error rate of slow speakers, who pause for 0.4 to 1.2 s within sentences, as a live call is cut.

The twenty clips with the most pauses are taken out of the folder of recordings.  Each pause is stretched to a
random length with its own background noise (fixed seed).  The same clips, whole and with their own pauses, show
what the engine can do.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option, silero_for
from cli.common import engine_loaded
from protocol.audio import Pcm
from protocol.events import SegmentId, Span
from protocol.scheduling.jobs import Job
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Engine, Utterance
from workers.recent_speech import RecentSpeech
from workers.upsampling import engine_samples

_TICK = 160
_CLIPS = 20
_LONGEST = 12.0
"""Longest clip in seconds: the engine must be able to take it whole."""

_PAUSE_TICKS = 7
"""Ticks of 20 ms: a shorter quiet stretch may be the closure of a consonant, inside a word."""

_BELOW = 30.0
"""dB below the loudest tick: quieter ticks are a pause."""

_STRETCHED = (3_200, 9_600)
"""0.4 to 1.2 s at 8 kHz."""


def pauses(pcm: Pcm) -> list[Span]:
    """The pauses inside a clip (int16 at 8 kHz), without those at its ends."""
    ticks = pcm[: len(pcm) // _TICK * _TICK].astype(np.float64).reshape(-1, _TICK)
    power = (ticks**2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() / 10 ** (_BELOW / 10))
    gaps = zip(loud[:-1] + 1, loud[1:], strict=True)
    return [Span(int(a) * _TICK, int(b) * _TICK) for a, b in gaps if b - a >= _PAUSE_TICKS]


def slow(pcm: Pcm, random: np.random.Generator) -> Pcm:
    """The clip with each pause stretched: its noise forwards and backwards, so that there is no click."""
    parts, at = list[Pcm](), 0
    for pause in pauses(pcm):
        middle = (pause.start + pause.end) // 2
        noise = pcm[pause.start + _TICK // 2 : pause.end - _TICK // 2]
        more = int(random.integers(*_STRETCHED)) - (pause.end - pause.start)
        parts += [pcm[at:middle], np.resize(np.concatenate([noise[::-1], noise]), max(0, more))]
        at = middle
    return np.concatenate([*parts, pcm[at:]])


@dataclass(frozen=True, slots=True)
class Cut:
    """A segment of a channel and its audio at 8 kHz."""

    number: int
    span: Span
    pcm: Pcm


def segments(pcm: Pcm, silero: Silero) -> Iterator[Cut]:
    """The audio of the segments of a channel, as a live call is cut."""
    segmenter, grown = ChannelSegmenter(), list[Pcm]()
    events: list[SoundEvent] = []
    for start in range(0, len(pcm), _TICK):
        events += run_vad_single(segmenter, pcm[start : start + _TICK], silero)
    for event in [*events, *segmenter.finish()]:
        match event:
            case SegmentGrew(pcm=piece):
                grown.append(piece)
            case SegmentClosed(number=number, span=span, samples=samples):
                yield Cut(number, span, np.concatenate(grown)[:samples])
                grown = []
            case _:
                pass


def recognised(engine: Engine, cuts: Sequence[Cut], *, context: bool = True) -> str:
    """The text of the segments of one channel, each heard with the speech before it or alone."""
    recent, texts = RecentSpeech(), list[str]()
    for cut in cuts:
        job = Job("slow", "", SegmentId(0, cut.number), cut.span.start, 0.0, "en", end=cut.span.end)
        samples = engine_samples(cut.pcm)
        before = recent.before(job) if context else None
        heard = engine.transcribe([Utterance(samples, before=before)])[0]
        recent.remember(job, samples, heard.words)
        texts.append(heard.text)
    return " ".join(texts)


def whole(engine: Engine, clip: Clip) -> str:
    """The text of a clip with its own pauses, decoded at once."""
    return engine.transcribe([Utterance(engine_samples(clip.pcm))])[0].text


def slow_clips(folder: Path) -> list[Clip]:
    """The twenty clips with the most pauses, spoken slowly."""
    clips = [clip for kind in ("prompts/", "read/") for clip in read_clips(folder, kind)]
    clips = [clip for clip in clips if clip.seconds <= _LONGEST]
    return sorted(clips, key=lambda clip: -len(pauses(clip.pcm)))[:_CLIPS]


def main() -> int:
    """Print the errors.  Returns 1 if slow speech has over `--most` points more word errors than whole clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--most", type=float, default=0.5)
    parser.add_argument("--texts", action="store_true", help="print what was recognised")
    options = parser.parse_args()
    silero = silero_for(options.audio)
    if silero is None:
        return 0
    print(recipe())
    engine = engine_loaded(argparse.Namespace(config=None), options.engine)
    random = np.random.default_rng(options.seed)
    errors = {how: WordErrors() for how in ("whole", "cut, pieces alone", "cut, with context")}
    seconds, pieces = dict.fromkeys(errors, 0.0), 0
    for clip in slow_clips(options.audio):
        cuts = list(segments(slow(clip.pcm, random), silero))
        pieces += len(cuts)
        for how, found in errors.items():
            began = time.process_time()
            match how:
                case "whole":
                    text = whole(engine, clip)
                case _:
                    text = recognised(engine, cuts, context="context" in how)
            seconds[how] += time.process_time() - began
            errors[how] = found + word_errors(clip.text, text)
        if options.texts:
            print(clip.name, text, sep="\n    ", flush=True)
    print(f"{_CLIPS} clips, {pieces} segments")
    for how, found in errors.items():
        print(f"  {how:18} {100 * found.rate:6.2f} %  {found}  {seconds[how]:.1f} s of CPU time")
    most = errors["whole"].rate + options.most / 100
    return 0 if errors["cut, with context"].rate <= most else 1


if __name__ == "__main__":
    sys.exit(main())
