"""Human speech for tests of delivery, and the invariants of a completely delivered call."""

from pathlib import Path

import numpy as np
from support.pipeline import Listener

from cli.recording import read_recording
from protocol.audio import Encoding, encode

PROMPTS = sorted((Path(__file__).parent.parent / "speech" / "prompts").glob("*.wav"))
PAUSE = np.zeros(8_000, dtype=np.int16)
AUDIO = encode(
    np.concatenate(
        [part for path in PROMPTS[:4] for part in (read_recording(path).channels[0], PAUSE)]
    ),
    Encoding.MULAW,
)
"""Four prompts with pauses, in mu-law."""


def assert_whole(heard: Listener) -> None:
    """Check: every seq once and in order, one terminal event per segment, totals that add up to `AUDIO`."""
    logged = [event["seq"] for event in heard.events if "seq" in event]
    begun = [event["segment_id"] for event in heard.of("speech.started")]
    ended = [event["segment_id"] for event in heard.of("segment.final")]
    last = heard.events[-1]
    assert logged == list(range(1, len(logged) + 1))
    assert sorted(begun) == sorted(ended)
    assert len(begun) == last["segments"] > 2
    assert sum(last["channels"][0].values()) == last["duration_ms"] == len(AUDIO) // 8
