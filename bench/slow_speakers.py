"""
Word error rate of slow speakers, who pause for 0.4 to 1.2 s within sentences, as a live call is cut.

The twenty clips with the most pauses are taken out of the folder of recordings.  Each pause is stretched to a
random length with its own background noise (fixed seed).  The same clips, whole and with their own pauses, show
what the engine can do.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.drafted_channel import DraftedChannel
from bench.shared_audio import add_audio_option, silero_and_engine
from protocol.audio import Pcm
from protocol.events import Span
from streaming.settings import GatewaySettings
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Engine, Utterance
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
    parser.add_argument("--seed", type=int, nargs="+", default=[15])
    parser.add_argument("--doubtful-ms", type=int, default=1_200)
    parser.add_argument("--most", type=float, default=0.5)
    parser.add_argument("--texts", action="store_true", help="print what was recognised")
    options = parser.parse_args()
    loaded = silero_and_engine(options)
    if loaded is None:
        return 0
    silero, engine = loaded
    sure = GatewaySettings(doubtful_hangover_ms=0).endpointing
    waiting = GatewaySettings(doubtful_hangover_ms=options.doubtful_ms).endpointing
    ways = {
        "pieces alone": (sure, False),
        "with context": (sure, True),
        "with context, waiting": (waiting, True),
    }
    clips = slow_clips(options.audio)
    errors = {how: [WordErrors() for _ in options.seed] for how in ("whole", *ways)}
    seconds = dict.fromkeys(errors, 0.0)
    for clip in clips:
        began = time.process_time()
        text = whole(engine, clip)
        seconds["whole"] += time.process_time() - began
        errors["whole"] = [one + word_errors(clip.text, text) for one in errors["whole"]]
        if options.texts:
            print(clip.name, text, sep="\n    ", flush=True)
    for how, (settings, context) in ways.items():
        drafts = waits = pieces = 0
        for place, seed in enumerate(options.seed):
            random = np.random.default_rng(seed)
            for clip in clips:
                pcm = slow(clip.pcm, random)
                began = time.process_time()
                channel = DraftedChannel(engine, settings, silero, context)
                text = " ".join(piece.text for piece in channel.play(pcm))
                seconds[how] += time.process_time() - began
                errors[how][place] += word_errors(clip.text, text)
                pieces, drafts = pieces + len(channel.pieces), drafts + channel.drafts
                waits += channel.waits
                if options.texts:
                    print(how, seed, clip.name, text, sep="\n    ", flush=True)
        print(f"{how}: {pieces} segments, {drafts} drafts, {waits} waits", flush=True)
    for how, found in errors.items():
        rates = " / ".join(f"{100 * one.rate:.2f}" for one in found)
        total = sum(found, WordErrors())
        print(f"  {how:22} {rates}: {100 * total.rate:.2f} %  {seconds[how]:.1f} s of CPU time")
    rate, most = (sum(errors[how], WordErrors()).rate for how in ("with context, waiting", "whole"))
    return 0 if rate <= most + options.most / 100 else 1


if __name__ == "__main__":
    sys.exit(main())
