"""A recording transcribed in one process."""

from pathlib import Path

import numpy as np

from cli.offline import cut_up
from cli.recording import read_recording

SPEECH = Path(__file__).parent / "speech" / "prompts"


def test_short_sentences_with_pauses_are_packed_up_to_the_length_of_an_engine() -> None:
    """Formerly each pause began a piece that was decoded alone, without the text before and after it."""
    pause = np.zeros(8_000, np.int16)
    spoken = [read_recording(path).channels[0] for path in sorted(SPEECH.glob("*.wav"))[:8]]
    pcm = np.concatenate([part for one in spoken for part in (one, pause)])

    cuts = [(cut.span.start, cut.span.end) for cut in cut_up(0, pcm)]
    shorter = [cut.span.end - cut.span.start for cut in cut_up(0, pcm, 6.0)]

    assert max(end - start for start, end in cuts) <= 14 * 8_000
    assert len(cuts) < len(spoken)
    assert min(end - start for start, end in cuts[:-1]) >= 6 * 8_000
    assert max(shorter) <= 6 * 8_000
