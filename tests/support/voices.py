"""Finals and windows of made voices, for tests of speakers."""

import numpy as np

from protocol.events import Final, SegmentId, Span, Timing, Word
from workers.speakers.voice_encoder import Floats, VoiceWindows

SECOND = 8_000
ANNA, BERT, CARA = np.eye(3, 256, dtype=np.float32)


def final_of(number: int, text: str, *, seconds: int = 3) -> Final:
    """A final of channel 0 without word times; it begins when the one before it ends."""
    span = Span(number * seconds * SECOND, (number + 1) * seconds * SECOND)
    words = tuple(Word(word) for word in text.split())
    return Final(SegmentId(0, number), span, words, "en", 0, (), "engine", Timing(0, 0))


def windows_of(*voices: Floats) -> VoiceWindows:
    """Windows of a voice for each second: five, the first after 0.1 s."""
    centres = np.array([3_200 * place + 1_600 for place in range(5 * len(voices))])
    return VoiceWindows(centres, np.repeat(np.stack(voices), 5, axis=0))
