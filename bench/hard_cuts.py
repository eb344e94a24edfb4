"""
Words lost, doubled or changed where a long monologue is cut at the longest segment.

Read speech whose pauses are shortened (--pause-ms), so that no pause ends a segment: the gateway cuts it at the
quietest point of the last seconds (`maximum_ms`, `cut_window_ms`).  The same clips one by one, with the same
pauses, show what the engine makes of them without a cut.  The clips of a reader are one monologue.
"""

import argparse
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.drafted_channel import DraftedChannel
from bench.shared_audio import add_audio_option, silero_and_engine
from bench.slow_speakers import pauses
from protocol.audio import Pcm
from streaming.settings import GatewaySettings
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Utterance
from workers.upsampling import engine_samples

_LONGEST = 14.0


def hurried(pcm: Pcm, longest: int) -> Pcm:
    """A clip whose pauses last `longest` samples at most, those at its ends too."""
    loud = np.flatnonzero(np.abs(pcm) > np.abs(pcm).max() / 30)
    first, last = max(0, int(loud[0]) - longest // 2), int(loud[-1]) + longest // 2
    parts, at = list[Pcm](), first
    for pause in pauses(pcm):
        if pause.end - pause.start > longest and first < pause.start and pause.end < last:
            parts.append(pcm[at : pause.start + longest // 2])
            at = pause.end - longest // 2
    return np.concatenate([*parts, pcm[at:last]])


def main() -> int:
    """Print the errors.  Returns 1 if cutting costs more than `--most` points."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--pause-ms", type=int, nargs="+", default=[100, 40, 0])
    parser.add_argument("--most", type=float, default=1.0)
    parser.add_argument("--texts", action="store_true")
    options = parser.parse_args()
    loaded = silero_and_engine(options)
    if loaded is None:
        return 0
    silero, engine = loaded
    clips = [clip for clip in read_clips(options.audio, "read/") if clip.seconds <= _LONGEST]
    worst = 0.0
    for pause_ms in options.pause_ms:
        alone, cut, cuts = WordErrors(), WordErrors(), 0
        for _, group in itertools.groupby(clips, key=lambda clip: Path(clip.name).name[:3]):
            own: Sequence[Clip] = list(group)
            said = " ".join(clip.text for clip in own)
            spoken = [hurried(clip.pcm, 8 * pause_ms) for clip in own]
            texts = [engine.transcribe([Utterance(engine_samples(one))])[0].text for one in spoken]
            channel = DraftedChannel(engine, GatewaySettings().endpointing, silero)
            pieces = channel.play(np.concatenate([*spoken, np.zeros(8_000, dtype=np.int16)]))
            spans = [piece.span for piece in pieces]
            cuts += sum(one.end == other.start for one, other in itertools.pairwise(spans))
            alone += word_errors(said, " ".join(texts))
            cut += word_errors(said, " ".join(piece.text for piece in pieces))
            if options.texts:
                print(*(piece.text for piece in pieces), sep="\n    ", flush=True)
        worst = max(worst, cut.rate - alone.rate)
        print(f"pauses of {pause_ms} ms, {cuts} cuts", flush=True)
        for name, errors in (("clips", alone), ("cut", cut)):
            print(f"  {name:6} {100 * errors.rate:.2f} %  {errors}", flush=True)
    return 0 if worst <= options.most / 100 else 1


if __name__ == "__main__":
    sys.exit(main())
