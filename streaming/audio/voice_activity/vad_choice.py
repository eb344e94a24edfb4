"""The choice of voice activity detectors, for settings: importing it imports no audio library."""

from enum import StrEnum


class Vad(StrEnum):
    """Which detectors decide whether a tick is voiced."""

    BOTH = "webrtc+silero"
    WEBRTC = "webrtc"
    SILERO = "silero"
