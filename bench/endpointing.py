"""
Word errors and segments for hang-overs and after-rolls: what waiting less for the end of speech costs.

    python bench/endpointing.py [--settings 500/400 300/200/200 ...] [--engine moonshine]

Each setting is hang-over/after-roll in ms, or hang-over/after-roll/pad: the pad is digital silence that replaces
what follows the after-roll.  The recordings with a text (`../shared/audio`, or --audio) are cut by the gateway's
segmenter, with 1.2 s of silence between them, and each segment is transcribed alone.  The real call has no text:
its segments are counted, and its words are compared with those of the first setting.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from cli.common import engine_loaded
from cli.recording import read_recording
from protocol.audio import Pcm
from protocol.events import Span
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SegmentOpened, SegmentPaused
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero, silero_weights
from transcripts.wer import WordErrors, word_errors
from workers.engines import registry
from workers.engines.base import Engine, Utterance
from workers.upsampling import engine_samples

_SILENCE = np.zeros(9_600, dtype=np.int16)
_PIECE = 8_000

Segments = Sequence[tuple[Span, str]]


class Texts:
    """The text of each piece of audio, transcribed once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[bytes, str] = {}

    def of(self, pcm: Pcm, pad_ms: int = 0) -> str:
        """The text of int16 `[n]` at 8 kHz, with silence behind it."""
        padding = np.zeros(16 * pad_ms, dtype=np.float32)
        samples = np.concatenate([engine_samples(pcm), padding])
        key = sha256(samples.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._engine.transcribe([Utterance(samples)])[0].text
        return self._known[key]


def cut(pcm: Pcm, endpointing: Endpointing) -> Iterator[tuple[Span, Pcm]]:
    """The segments of one channel (int16 `[n]` at 8 kHz), with their audio."""
    weights = silero_weights()
    segmenter, silero = ChannelSegmenter(endpointing), Silero(weights) if weights else None
    audio: list[Pcm] = []
    for start in range(0, len(pcm) + _PIECE, _PIECE):
        events = run_vad_single(segmenter, pcm[start : start + _PIECE], silero)
        for event in events if start < len(pcm) else [*events, *segmenter.finish()]:
            match event:
                case SegmentGrew(pcm=grown):
                    audio.append(grown)
                case SegmentClosed(span=span, samples=samples):
                    whole = np.concatenate(audio)
                    yield span, whole[:samples]
                    audio = []
                case SegmentOpened():
                    audio = []
                case SegmentPaused():
                    pass


def transcribed(pcm: Pcm, endpointing: Endpointing, texts: Texts, pad_ms: int) -> Segments:
    """The segments of a channel with their texts."""
    return [(span, texts.of(audio, pad_ms)) for span, audio in cut(pcm, endpointing)]


def errors(clips: Sequence[Clip], segments: Segments) -> WordErrors:
    """Word errors of clips that were cut as one channel: a segment belongs to the clip that contains its middle."""
    said: list[list[str]] = [[] for _ in clips]
    ends = np.cumsum([len(clip.pcm) + len(_SILENCE) for clip in clips])
    for span, text in segments:
        said[int(np.searchsorted(ends, (span.start + span.end) // 2))].append(text)
    parts = (word_errors(clip.text, " ".join(text)) for clip, text in zip(clips, said, strict=True))
    return sum(parts, WordErrors())


def main() -> None:
    """Measure each setting, and print a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default=registry.DEFAULT)
    parser.add_argument("--settings", nargs="+", default=["500/400", "400/400", "300/300"])
    parser.add_argument("--sets", nargs="+", default=["read/", "prompts/"])
    options = parser.parse_args()
    texts = Texts(engine_loaded(argparse.Namespace(config=None), options.engine))
    sets = {name: read_clips(options.audio, name) for name in options.sets}
    call = [
        channel
        for path in sorted((options.audio / "calls").glob("*.wav"))
        for channel in read_recording(path).channels
    ]
    first: list[str] = []
    print(recipe())
    names = " | ".join(f"{name} WER | segments" for name in sets)
    print(f"| hang-over / after-roll | {names} | call segments | call words | differ |")
    for setting in options.settings:
        hangover, afterroll, pad = map(int, (*setting.split("/"), "0")[:3])
        endpointing = Endpointing(hangover_ms=hangover, afterroll_ms=afterroll)
        row = [setting]
        for clips in sets.values():
            audio = np.concatenate([part for clip in clips for part in (clip.pcm, _SILENCE)])
            segments = transcribed(audio, endpointing, texts, pad)
            found = errors(clips, segments)
            row += [f"{100 * found.rate:.2f} % ({found})", str(len(segments))]
        spoken = [transcribed(channel, endpointing, texts, pad) for channel in call]
        words = [" ".join(text for _, text in one) for one in spoken]
        first = first or words
        differ = sum((word_errors(a, b) for a, b in zip(first, words, strict=True)), WordErrors())
        count = sum(len(text.split()) for text in words)
        row += [str(sum(map(len, spoken))), str(count), f"{100 * differ.rate:.1f} %"]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
