"""
Diarisation error rate (DER) of two-party calls that are mixed into one channel; the true channels are the
reference.

    python bench/speakers.py [--audio ../shared/audio] [--pause 0.5] [--between 1.0]

Calls: the demo, the recorded call of the shared audio, and calls made of its read speech and prompts: turns
of 1 to 6 s of two readers, pauses of 0.1 to 1.2 s (--seed) or of one length (--between); and each party of the
demo and of the recorded call, and each reader, alone. The mix is cut where nobody speaks for 0.5 s
(--pause), at the latest after 15 s, and goes through the worker's voice encoder and clustering, segment by
segment, as in a live call. In a recording, a segment that tells a further voice apart corrects those before it:
that is the column `recording`.

DER here is the share of the speech of one party alone that gets the other speaker, with a collar of 0.25 s
round each beginning and end of speech of either channel. Speech is found by the same energy detector in
reference and mix, so there are no misses and no false alarms: word errors have tables of their own. CPU
seconds are those of the encoder and the clustering, for each minute of the call.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise, permutations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from cli.recording import read_recording
from protocol.clock import CALL_RATE
from workers.speakers.labelling import assigned_anew
from workers.speakers.voice_encoder import HOP, VoiceEncoder
from workers.speakers.voice_history import RECORDED, Stretch, VoiceHistory, assign
from workers.speakers.weights import HOW_TO_INSTALL, encoder_of

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]

_FRAME = CALL_RATE // 100
_COLLAR = 25
_LONGEST = 1_500
"""Most frames of a segment, of 10 ms."""

_DEMO = Path(__file__).parent.parent / "cli" / "demo" / "call.wav"
_READERS = {
    "LJ": "read/LJ*.wav",
    "LibriVox": "read/lvx*.wav",
    "Kennedy": "read/jfk.wav",
    "prompts": "prompts/vm-*.wav",
    "German": "languages/de-audio1.wav",
    "Spanish": "languages/es-audio1.wav",
    "Italian": "languages/it-audio1.wav",
}


def main() -> None:
    """Print a row for each call."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--pause", type=float, default=0.5, help="seconds of silence that end a segment"
    )
    parser.add_argument("--between", type=float, help="seconds between turns of made calls")
    options = parser.parse_args()
    pauses = [0.1, 0.3, 0.6, 1.2] if options.between is None else [options.between]
    pause, encoder = round(100 * options.pause), encoder_of()
    if encoder is None:
        print(f"There are no weights: {HOW_TO_INSTALL}. Nothing measured.")
        return
    print(recipe())
    print(
        "| call | speech, s | speakers found | DER live, % | recording, % | CPU s per call-minute |"
    )
    print("|---|---|---|---|---|---|")
    wrong = np.zeros((2, 3))
    for name, channels in _calls(options.audio, options.seed, pauses):
        spoken = np.stack([_speech(one) for one in channels])
        began = time.process_time()
        speech = _closed(np.asarray(spoken.any(0)), pause)
        labels, corrected = _labels(encoder, channels.sum(0), speech)
        cpu = 60 * (time.process_time() - began) / (channels.shape[1] / CALL_RATE)
        error, scored = _error(spoken, labels)
        later, _ = _error(spoken, corrected)
        rates = f"{100 * error:.1f} | {100 * later:.1f}"
        row = f"{scored / 100:.0f} | {labels.max() + 1} | {rates} | {cpu:.1f}"
        print(f"| {name} | {row} |", flush=True)
        wrong[int("alone" in name)] += np.array([error * scored, later * scored, scored])
    for text, (*errors, of) in zip(("two parties", "one party"), wrong, strict=True):
        rates = " | ".join(f"{100 * one / max(1, of):.1f}" for one in errors)
        print(f"| {text}, by speech | {of / 100:.0f} | | {rates} | |")


def _labels(encoder: VoiceEncoder, mixed: Floats, speech: Flags) -> tuple[Labels, Labels]:
    """The speaker of each frame as a live call tells it, and as later segments correct it; -1: there is none."""
    told, corrected = np.full(len(speech), -1), np.full(len(speech), -1)
    live, known = VoiceHistory(), VoiceHistory()
    segments = list(_segments(speech))
    for number, (first, end) in enumerate(segments):
        samples = soxr.resample(mixed[first * _FRAME : end * _FRAME], CALL_RATE, 2 * CALL_RATE)
        windows = encoder.windows(samples, HOP)
        centres = first + windows.centres // (2 * _FRAME)
        live = assign(live, number, centres.tolist(), windows.vectors, 2)
        _fill(told, (first, end), live.of(number))
        before, known = (
            known,
            assign(known, number, centres.tolist(), windows.vectors, 2, RECORDED),
        )
        for earlier in (*assigned_anew(before.encode(), known.encode()), number):
            a, b = segments[earlier]
            corrected[a:b] = -1
            _fill(corrected, (a, b), known.of(earlier))
    return told, corrected


def _fill(labels: Labels, span: tuple[int, int], stretches: Sequence[Stretch]) -> None:
    """Write the speakers of a segment, in frames."""
    first, end = span
    for one, after in pairwise([*stretches, None]):
        assert one is not None
        until = end if after is None else (one.last + after.first) // 2
        part = labels[first:until]
        labels[first:until] = np.where(part < 0, one.speaker, part)


def _error(spoken: Flags, labels: Labels) -> tuple[float, int]:
    """The share of scored frames with the wrong speaker, by the best mapping; and their number."""
    scored: Flags = np.asarray(spoken.any(0) & ~spoken.all(0))
    for channel in spoken:
        for edge in np.flatnonzero(np.diff(channel.astype(int))) + 1:
            scored[max(0, edge - _COLLAR) : edge + _COLLAR] = False
    names = range(max(2, int(labels.max()) + 1))
    right = max(
        sum(
            int((scored & spoken[channel] & (labels == name)).sum())
            for channel, name in enumerate(pair)
        )
        for pair in permutations(names, 2)
    )
    return 1 - right / max(1, int(scored.sum())), int(scored.sum())


def _segments(speech: Flags) -> Iterator[tuple[int, int]]:
    for first, end in _runs(speech):
        for at in range(first, end, _LONGEST):
            if min(end, at + _LONGEST) - at >= 30:
                yield at, min(end, at + _LONGEST)


def _speech(channel: Floats) -> Flags:
    """Frames within 28 dB of the loudest ones, pauses of less than 0.3 s included."""
    frames = channel[: len(channel) // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels = 10 * np.log10((frames**2).mean(1) + 1e-9)
    loud = _closed(levels > max(float(np.percentile(levels, 97)) - 28, -50.0), 30)
    for first, end in _runs(loud):
        loud[first:end] = end - first >= 12
    return loud


def _closed(flags: Flags, most: int) -> Flags:
    """The flags with gaps of at most `most` frames filled."""
    closed = flags.copy()
    runs = _runs(flags)
    for (_, end), (first, _) in pairwise(runs):
        if first - end <= most:
            closed[end:first] = True
    return closed


def _runs(flags: Flags) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def _calls(audio: Path, seed: int, pauses: Sequence[float]) -> Iterator[tuple[str, Floats]]:
    """Name and channels, `[2, n]`."""
    for path in [_DEMO, *sorted((audio / "calls").glob("*.wav"))]:
        name, channels = "demo" if path == _DEMO else path.stem, _read(path)
        yield name, channels
        for number in range(2):
            alone = np.zeros_like(channels)
            alone[number] = channels[number]
            yield f"{name}, channel {number} alone", alone
    parts = {name: list(_parts(audio, pattern)) for name, pattern in _READERS.items()}
    for number, (one, other) in enumerate(combinations([name for name in parts if parts[name]], 2)):
        yield f"{one} and {other}", _made(parts[one], parts[other], seed + number, pauses)
    for name, own in parts.items():
        if own:
            made = _made(own[::2], own[1::2], seed, pauses)
            yield f"{name} alone", np.stack([made.sum(0), np.zeros_like(made[0])])


def _parts(audio: Path, pattern: str) -> Iterator[Floats]:
    """Pieces of at most 6 s of a reader."""
    for path in sorted(audio.glob(pattern)):
        (samples, *_) = _read(path)
        for at in range(0, len(samples) - CALL_RATE, 6 * CALL_RATE):
            yield samples[at : at + 6 * CALL_RATE]


def _made(
    one: Sequence[Floats], other: Sequence[Floats], seed: int, pauses: Sequence[float]
) -> Floats:
    """A call of at most three minutes, in turns of 1 to 6 s; one turn in five goes on after a pause."""
    chance = np.random.default_rng(seed)
    left = [[parts[place] for place in chance.permutation(len(parts))] for parts in (one, other)]
    channels, who, at = np.zeros((2, 200 * CALL_RATE), np.float32), 0, 0
    while left[who] and at < 180 * CALL_RATE:
        turn = left[who].pop()[: int(CALL_RATE * chance.uniform(1, 6))]
        level = 0.06 * 10 ** (chance.uniform(-2, 2) / 20)
        at += int(CALL_RATE * chance.choice(pauses))
        channels[who, at : at + len(turn)] = turn * (level / (np.sqrt((turn**2).mean()) + 1e-9))
        at += len(turn)
        who = 1 - who if chance.random() < 0.8 else who
    return channels[:, : at + CALL_RATE]


def _read(path: Path) -> Floats:
    """The channels of a WAV file at 8 kHz, `[n, samples]`."""
    channels = read_recording(path).channels
    return np.stack([one.astype(np.float32) / 32_768 for one in channels])


if __name__ == "__main__":
    main()
