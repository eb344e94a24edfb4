"""
What the jobs of a call cost Moonshine: seconds of audio that are encoded, and runs of the decoder.

    python bench/decoder_runs.py [--most 60] [FILE]

Both channels of a recording (default: the demo call) are cut as a gateway cuts them, with partials, drafts and
waiting; the worker is never late.  A run of the decoder takes 3 to 6 ms for one token, and hardly longer for some
tokens or for the rows of a beam.  Counts do not depend on the load of the machine; they are given
for each minute of the call with two channels.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.drafted_channel import DraftedChannel
from bench.recipe import recipe
from cli.recording import read_recording
from protocol.clock import CALL_RATE, ENGINE_RATE
from streaming.audio.voice_activity.silero import Silero, silero_weights
from streaming.call.segments.partial_schedule import PartialSchedule
from streaming.settings import GatewaySettings
from workers.engines.base import Effort, Hypothesis, Utterance
from workers.engines.moonshine import weights
from workers.engines.moonshine.engine import Moonshine
from workers.engines.moonshine.sessions import Floats, Net, Sessions, open_sessions
from workers.engines.moonshine.tokens import read_vocabulary

_DEMO = Path(__file__).parent.parent / "cli" / "demo" / "call.wav"


@dataclass(slots=True)
class Tally:
    """Counts by kind of job.  `kind`: of the job in work."""

    kind: str = ""
    jobs: Counter[str] = field(default_factory=Counter)
    encoded: Counter[str] = field(default_factory=Counter)
    """Samples that were encoded."""

    runs: Counter[str] = field(default_factory=Counter)


class _Encoder:
    def __init__(self, net: Net, tally: Tally) -> None:
        self._net, self._tally = net, tally

    def run(self, outputs: None, feed: Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
        """See Net."""
        self._tally.encoded[self._tally.kind] += feed["input_values"].shape[1]
        return self._net.run(outputs, feed)


class _Step:
    def __init__(self, net: Net, tally: Tally) -> None:
        self._net, self._tally = net, tally

    def run(self, outputs: None, feed: Mapping[str, npt.NDArray[Any]]) -> list[Floats]:
        """See Net."""
        self._tally.runs[self._tally.kind] += 1
        return self._net.run(outputs, feed)


class Counted:
    """Moonshine, with its work counted in `tally`."""

    def __init__(self) -> None:
        self.tally = Tally()
        folder = weights.folder(None)
        nets = open_sessions(folder)
        counted = Sessions(
            _Encoder(nets.encoder, self.tally), nets.cross, _Step(nets.step, self.tally)
        )
        self._engine = Moonshine(counted, read_vocabulary(folder / weights.TOKENIZER), 4)
        self.capabilities = self._engine.capabilities

    def transcribe(self, batch: Sequence[Utterance]) -> list[Hypothesis]:
        """See Engine."""
        return [self._transcribed(one) for one in batch]

    def _transcribed(self, one: Utterance) -> Hypothesis:
        kind = "draft" if one.speculative else "final"
        self.tally.kind = "partial" if one.effort is Effort.PARTIAL else kind
        self.tally.jobs[self.tally.kind] += 1
        return self._engine.transcribe([one])[0]


def main() -> None:
    """Play a recording and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=_DEMO)
    parser.add_argument("--most", type=float, default=3_600, help="seconds of each channel")
    options = parser.parse_args()
    engine, silero, settings = Counted(), silero_weights(), GatewaySettings()
    most, segments = round(CALL_RATE * options.most), 0
    channels = [pcm[:most] for pcm in read_recording(options.file).channels[:2]]
    for pcm in channels:
        vad = Silero(silero) if silero else None
        schedule = PartialSchedule(settings.partial_every_ms)
        channel = DraftedChannel(engine, settings.endpointing, vad, partials=schedule)
        segments += len(channel.play(pcm))
    minutes = len(channels[0]) / CALL_RATE / 60
    print(f"{recipe()}\n| job | number | s encoded | runs of the decoder |\n|---|---|---|---|")
    for kind, count in engine.tally.jobs.items():
        seconds, runs = engine.tally.encoded[kind] / ENGINE_RATE, engine.tally.runs[kind]
        print(
            f"| {kind} | {count / minutes:.0f} | {seconds / minutes:.0f} | {runs / minutes:.0f} |"
        )
    print(f"{segments / minutes:.0f} segments a minute; a draft that is no final was in vain")


if __name__ == "__main__":
    main()
