"""
Word error rate of quiet channels, through the gateway's segmenter and the engine.

Telephone prompts with pauses between them are brought to each level of active speech, encoded as mu-law, segmented
as a live call and transcribed.  A final belongs to the prompt that contains its middle.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.shared_audio import add_audio_option, silero_and_engine
from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Engine, Utterance
from workers.upsampling import engine_samples

_PAUSE = np.zeros(9_600, dtype=np.int16)
_TICK = 160
_ACTIVE = 1_000
"""A tick is speech if its power is at least this part of the loudest tick's."""


def active_level(pcm: Pcm) -> float:
    """Mean level of the ticks within 30 dB of the loudest one, in dBFS."""
    ticks = pcm[: len(pcm) // _TICK * _TICK].astype(np.float64).reshape(-1, _TICK)
    power = (ticks**2).mean(axis=1)
    return float(10 * np.log10(power[power > power.max() / _ACTIVE].mean() / 32_768**2))


def at_level(pcm: Pcm, dbfs: float) -> Pcm:
    """Bring speech to an active level of `dbfs`, as a mu-law line would carry it."""
    quiet = np.rint(pcm * 10 ** ((dbfs - active_level(pcm)) / 20)).clip(-32_768, 32_767)
    return decode(encode(quiet.astype(np.int16), Encoding.MULAW), Encoding.MULAW)


def finals_of(events: Sequence[SoundEvent], engine: Engine) -> list[tuple[int, str]]:
    """The middle of each segment, in samples of the call clock, and its text."""
    finals, grown = list[tuple[int, str]](), list[Pcm]()
    for event in events:
        match event:
            case SegmentGrew(pcm=pcm):
                grown.append(pcm)
            case SegmentClosed(span=span, samples=samples):
                heard = engine_samples(np.concatenate(grown)[:samples])
                text = engine.transcribe([Utterance(heard)])[0].text
                finals.append(((span.start + span.end) // 2, text))
                grown = []
            case _:
                pass
    return finals


def errors_at(engine: Engine, clips: Sequence[Clip], silero: Silero, dbfs: float) -> WordErrors:
    """Word errors of the clips as one quiet call."""
    line = np.concatenate([part for clip in clips for part in (clip.pcm, _PAUSE)])
    segmenter, quiet = ChannelSegmenter(), at_level(line, dbfs)
    events = [
        event
        for start in range(0, len(quiet), _TICK)
        for event in run_vad_single(segmenter, quiet[start : start + _TICK], silero)
    ]
    ends = np.cumsum([len(clip.pcm) + len(_PAUSE) for clip in clips])
    texts: list[list[str]] = [[] for _ in clips]
    for middle, text in finals_of(events + segmenter.finish(), engine):
        texts[min(len(clips) - 1, int(np.searchsorted(ends, middle)))].append(text)
    each = (word_errors(clip.text, " ".join(text)) for clip, text in zip(clips, texts, strict=True))
    return sum(each, WordErrors())


def main() -> int:
    """Print one line for each level.  Returns 1 if the rate at the first level is exceeded by `--most` points."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--levels", type=float, nargs="+", default=[-20, -40, -50, -55, -60])
    parser.add_argument("--most", type=float, default=6.0)
    options = parser.parse_args()
    loaded = silero_and_engine(options)
    if loaded is None:
        return 0
    silero, engine = loaded
    clips = read_clips(options.audio, "prompts/")[: options.prompts]
    rates = list[float]()
    for level in options.levels:
        errors = errors_at(engine, clips, silero, level)
        rates.append(100 * errors.rate)
        print(f"{level:5.0f} dBFS  {rates[-1]:6.2f} %  {errors}", flush=True)
    return 0 if max(rates) <= rates[0] + options.most else 1


if __name__ == "__main__":
    sys.exit(main())
