"""
How many drafts are requested, and how many in vain: the price of finals that are ready when the hang-over ends.

    python bench/drafts.py [--settings 500/160 400/160 300/160 500/240]

Each setting is hang-over/draft_after_ms.  The real call in `../shared/audio` (or --audio) is cut by the gateway's
segmenter, a tick at a time.  `in vain`: drafts whose segment went on, and their audio as a share of the
audio of all segments, which is about the engine time lost.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe
from bench.shared_audio import add_audio_option
from cli.recording import read_recording
from protocol.audio import Pcm
from streaming.audio.channel_segmenter import ChannelSegmenter
from streaming.audio.endpointing import TICK
from streaming.audio.endpointing_settings import Endpointing
from streaming.audio.sound_events import SegmentClosed, SegmentPaused, SoundEvent
from streaming.audio.vad_runner import run_vad_single
from streaming.audio.voice_activity.silero import Silero, silero_weights


@dataclass(slots=True)
class Tally:
    """Segments and drafts of some channels; lengths in samples of the call clock."""

    segments: int = 0
    drafts: int = 0
    used: int = 0
    length: int = 0
    in_vain: int = 0

    def add(self, events: list[SoundEvent]) -> None:
        """Count the events of one channel."""
        open_draft: SegmentPaused | None = None
        for event in events:
            match event:
                case SegmentPaused():
                    self._lose(open_draft)
                    self.drafts += 1
                    open_draft = event
                case SegmentClosed(span=span):
                    self.segments += 1
                    self.length += span.end - span.start
                    if open_draft is not None and open_draft.span == span:
                        self.used += 1
                    else:
                        self._lose(open_draft)
                    open_draft = None
                case _:
                    pass

    def _lose(self, draft: SegmentPaused | None) -> None:
        if draft is not None:
            self.in_vain += draft.span.end - draft.span.start


def events_of(pcm: Pcm, endpointing: Endpointing) -> list[SoundEvent]:
    """All events of a channel (int16 `[n]` at 8 kHz)."""
    weights = silero_weights()
    segmenter, silero = ChannelSegmenter(endpointing), Silero(weights) if weights else None
    events: list[SoundEvent] = []
    for start in range(0, len(pcm), TICK):
        events += run_vad_single(segmenter, pcm[start : start + TICK], silero)
    return [*events, *segmenter.finish()]


def main() -> None:
    """Measure each setting, and print a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_audio_option(parser, "calls/*.wav")
    parser.add_argument("--settings", nargs="+", default=["500/160", "400/160", "300/160"])
    options = parser.parse_args()
    channels = [
        channel
        for path in sorted((options.audio / "calls").glob("*.wav"))
        for channel in read_recording(path).channels
    ]
    print(recipe())
    print("| hang-over / draft after | segments | drafts | used | in vain | audio in vain |")
    print("|---|---|---|---|---|---|")
    for setting in options.settings:
        hangover, draft = map(int, setting.split("/"))
        tally = Tally()
        for channel in channels:
            tally.add(events_of(channel, Endpointing(hangover_ms=hangover, draft_ms=draft)))
        print(
            f"| {setting} | {tally.segments} | {tally.drafts} | {tally.used}"
            f" | {tally.drafts - tally.used} | {100 * tally.in_vain / tally.length:.0f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
