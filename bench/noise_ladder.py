"""
Word errors of speech in noise, at each level and with clipping, through the gateway's segmenter and the engine.

The same line is heard three ways in one run: each prompt whole by the engine ("alone"), cut by the segmenter
without separation of background speech ("before"), and with it ("after").  Babble is made of other speakers of the
folder of recordings, music is the hold music of the tests.  Errors of the segmented line are counted over its whole
text, because segments without pauses hold several prompts; words that are heard in the pauses are insertions.

A line of twenty prompts in one draw of babble says little: what makes it better may make others worse.
`--lines` and `--draws` add up more of them, `--own read/` takes other speakers.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.accuracy import Clip, read_clips
from bench.levels import active_level, finals_of
from bench.shared_audio import add_audio_option, silero_and_engine
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode, encode
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.compiled_endpointing import new_tracker
from streaming.audio.sound_events import SegmentClosed, SegmentGrew, SoundEvent, VoiceSource
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero
from transcripts.wer import WordErrors, word_errors
from workers.engines.base import Engine, Utterance

Wave = npt.NDArray[np.float64]
_PAUSE = np.zeros(9_600, dtype=np.int16)
_PIECE = 1_600
_SPEECH_DBFS = -20.0
_TALKERS = 6
_PROMPTS, _READ = "prompts/", "read/"
_MUSIC = Path(__file__).parent.parent / "tests" / "speech" / "music"


@dataclass(frozen=True, slots=True)
class Rung:
    """One condition: its name, and the change of the line."""

    name: str
    change: Callable[[Wave], Wave]


def at_dbfs(wave: Wave, dbfs: float) -> Wave:
    """Bring a noise to a mean level."""
    scaled: Wave = wave * 32_768 * 10 ** (dbfs / 20) / np.sqrt(np.mean(wave**2))
    return scaled


@cache
def babble(folder: Path, length: int, neighbours: str = "read/", draw: int = 0) -> Wave:
    """
    Several other speakers at once, each at the same level.

    `neighbours`: the English ones, beside those of `languages/`.  `draw`: each gives other words at a time.
    """
    others = [clip.pcm for clip in read_clips(folder, neighbours)]
    foreign = sorted((folder / "languages").glob("*.wav"))
    others += [read_recording(path).channels[0] for path in foreign]
    order, rng = list(range(len(others))), np.random.default_rng(draw)
    if draw:
        rng.shuffle(order)
    talkers = [
        np.concatenate([others[at] for at in order[start::_TALKERS]]) for start in range(_TALKERS)
    ]
    if draw:
        talkers = [np.roll(pcm, int(rng.integers(len(pcm)))) for pcm in talkers]
    together = [at_dbfs(np.resize(pcm, length).astype(np.float64), -20) for pcm in talkers]
    return np.asarray(np.sum(together, axis=0))


@cache
def hold_music(length: int) -> Wave:
    """The hold music of the tests, one piece after the other."""
    pieces = [read_recording(path).channels[0] for path in sorted(_MUSIC.glob("*.wav"))]
    return np.resize(np.concatenate(pieces) * 1.0, length)


@cache
def white(length: int, draw: int = 0) -> Wave:
    """White noise; the same for the same `draw`."""
    return np.random.default_rng(15 + draw).normal(0.0, 1.0, length)


def noises_of(folder: Path, length: int, own: str, draw: int) -> dict[str, Wave]:
    """The noises of a line with prompts or read speech (`own`)."""
    neighbours = _READ if own == _PROMPTS else _PROMPTS
    return {
        "babble": babble(folder, length, neighbours, draw),
        "white": white(length, draw),
        "music": hold_music(length),
    }


def rungs(noises: Mapping[str, Wave], ratios: Sequence[int], levels: Sequence[int]) -> list[Rung]:
    """All conditions.  `ratios`: of speech to noise, in dB; `levels`: of speech, in dBFS."""

    def under(noise: Wave, ratio: int) -> Callable[[Wave], Wave]:
        return lambda line: line + at_dbfs(noise, _SPEECH_DBFS - ratio)

    def at_level(dbfs: int) -> Callable[[Wave], Wave]:
        return lambda line: line * 10 ** ((dbfs - _SPEECH_DBFS) / 20)

    found = [Rung("clean", lambda line: line)]
    for name, noise in noises.items():
        found += [Rung(f"{name} {ratio} dB", under(noise, ratio)) for ratio in ratios]
    found += [Rung(f"{level} dBFS", at_level(level)) for level in levels]
    return [*found, Rung("clipping +20 dB", lambda line: line * 10)]


def as_line(wave: Wave) -> Pcm:
    """The samples after the limits of 16 bits and G.711."""
    pcm = np.rint(wave).clip(-32_768, 32_767).astype(np.int16)
    return decode(encode(pcm, Encoding.MULAW), Encoding.MULAW)


def heard(line: Pcm, silero: Silero, *, separated: bool) -> list[SoundEvent]:
    """The segments of the own speaker."""
    segmenter = ChannelSegmenter(background=new_tracker() if separated else None)
    events = [
        event
        for start in range(0, len(line), _PIECE)
        for event in run_vad_single(segmenter, line[start : start + _PIECE], silero)
    ]
    return _of_the_speaker(events + segmenter.finish())


def _of_the_speaker(events: Sequence[SoundEvent]) -> list[SoundEvent]:
    left_out = {
        event.number
        for event in events
        if isinstance(event, SegmentClosed) and event.source is not VoiceSource.OWN
    }
    return [
        event
        for event in events
        if not (isinstance(event, SegmentGrew | SegmentClosed) and event.number in left_out)
    ]


def errors_cut(engine: Engine, clips: Sequence[Clip], events: Sequence[SoundEvent]) -> WordErrors:
    """Word errors of the segments of a line."""
    text = " ".join(text for _, text in finals_of(events, engine))
    return word_errors(" ".join(clip.text for clip in clips), text)


def errors_alone(
    engine: Engine, clips: Sequence[Clip], line: Pcm, ends: Sequence[int]
) -> WordErrors:
    """Word errors of the same audio if the engine hears each prompt whole, with its pause."""
    found, start = WordErrors(), 0
    for clip, end in zip(clips, ends, strict=True):
        wide = soxr.resample(line[start:end].astype(np.float32) / 32_768, 8_000, 16_000)
        text = engine.transcribe([Utterance(wide.astype(np.float32))])[0].text
        found, start = found + word_errors(clip.text, text), end
    return found


def shown(errors: WordErrors) -> str:
    """The rate, and substitutions, deletions and insertions."""
    counts = f"{errors.substitutions}/{errors.deletions}/{errors.insertions}"
    return f"{100 * errors.rate:6.2f} % {counts:>9}"


def measured(
    silero: Silero, engine: Engine, clips: Sequence[Clip], options: argparse.Namespace, draw: int
) -> Iterator[tuple[str, list[WordErrors]]]:
    """Each condition of one line of `clips`: its name, and the errors alone, before and after."""
    whole = np.concatenate([part for clip in clips for part in (clip.pcm, _PAUSE)])
    ends = np.cumsum([len(clip.pcm) + len(_PAUSE) for clip in clips]).tolist()
    clean = whole * 10 ** ((_SPEECH_DBFS - active_level(whole)) / 20)
    noises = noises_of(options.audio, len(clean), options.own, draw)
    for rung in rungs(noises, options.ratios, options.levels):
        if not rung.name.startswith(options.only):
            continue
        line = as_line(rung.change(clean))
        columns = [errors_alone(engine, clips, line, ends)]
        for separated in (False, True):
            events = heard(line, silero, separated=separated)
            columns.append(errors_cut(engine, clips, events))
        yield rung.name, columns


def added(found: Sequence[Sequence[WordErrors]]) -> list[WordErrors]:
    """The sum of each column."""
    return [sum(column, WordErrors()) for column in zip(*found, strict=True)]


def main() -> int:
    """Print one line for each condition of each line and draw; of several the sums at last."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--engine", default="moonshine")
    parser.add_argument("--own", default=_PROMPTS, choices=[_PROMPTS, _READ])
    parser.add_argument("--prompts", type=int, default=20, help="recordings of a line")
    parser.add_argument("--lines", type=int, default=1, help="so many, of other recordings each")
    parser.add_argument("--draws", type=int, default=1, help="of babble and of white noise")
    parser.add_argument("--ratios", type=int, nargs="*", default=[20, 10, 5, 0])
    parser.add_argument("--only", default="", help="conditions whose name begins so")
    parser.add_argument("--levels", type=int, nargs="*", default=[-40, -50, -60])
    options = parser.parse_args()
    loaded = silero_and_engine(options)
    if loaded is None:
        return 0
    clips = read_clips(options.audio, options.own)[: options.prompts * options.lines]
    print(f"{'':24}{'alone':>18}{'before':>20}{'after':>20}   (substitutions/deletions/insertions)")
    totals = dict[str, list[list[WordErrors]]]()
    for start, draw in product(range(0, len(clips), options.prompts), range(options.draws)):
        line = clips[start : start + options.prompts]
        for name, columns in measured(*loaded, line, options, draw):
            totals.setdefault(name, []).append(columns)
            where = f"{name} ({start}, {draw})"
            print(f"{where:24}" + "  ".join(map(shown, columns)), flush=True)
    for name, found in totals.items():
        if len(found) > 1:
            print(f"{name + ', all':24}" + "  ".join(map(shown, added(found))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
