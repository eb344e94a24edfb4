"""
Audio files as channels at 8 kHz.

Telephone recordings are WAV files of PCM, mu-law or A-law, and those we read ourselves; everything else goes
through pydub, which asks ffmpeg.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, to_seconds
from protocol.wav import read_wav

if TYPE_CHECKING:
    from pydub import AudioSegment

_RATES = range(4_000, 384_001)
"""Sample rates in Hz that anybody records with: anything else is a damaged header."""


class RecordingError(Exception):
    """The file cannot be played; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Channels of the same length, 16 bit at 8 kHz."""

    channels: tuple[Pcm, ...]

    @property
    def samples(self) -> int:
        """Length of each channel."""
        return len(self.channels[0])

    @property
    def seconds(self) -> float:
        """The same in seconds."""
        return to_seconds(self.samples)


def read_recording(path: Path) -> Recording:
    """The channels of an audio file.  RecordingError when it is none."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise RecordingError(f"{path}: {exc.strerror}") from exc
    if not content:
        raise RecordingError(f"{path}: the file is empty")
    rate, channels = read_wav(content) or _read_with_pydub(path)
    if not channels or len(channels[0]) == 0:
        raise RecordingError(f"{path}: there is no audio in it")
    if rate not in _RATES:
        raise RecordingError(f"{path}: {rate} Hz is no sample rate; is the file damaged?")
    return Recording(tuple(_at_call_rate(channel, rate) for channel in channels))


def _read_with_pydub(path: Path) -> tuple[int, list[Pcm]]:
    """Rate and channels of anything that ffmpeg reads, and of the kinds of PCM that `read_wav` leaves."""
    with warnings.catch_warnings():
        # pydub warns where there is no ffmpeg, when imported and at each file: our error says more.
        warnings.simplefilter("ignore", RuntimeWarning)
        segment = _ask_pydub(path)
    pcm = np.frombuffer(segment.set_sample_width(2).raw_data, dtype=np.int16)
    count = segment.channels
    return segment.frame_rate, [
        np.ascontiguousarray(pcm[channel::count]) for channel in range(count)
    ]


def _ask_pydub(path: Path) -> "AudioSegment":
    from pydub import AudioSegment  # noqa: PLC0415  # slow to import, and most recordings do without
    from pydub.exceptions import CouldntDecodeError  # noqa: PLC0415

    try:
        return AudioSegment.from_file(str(path))
    except FileNotFoundError as exc:
        raise RecordingError(
            f"{path}: only ffmpeg can tell what this is, and it is not installed:"
            " apt install ffmpeg, brew install ffmpeg, or convert the file to a WAV of 16 bit PCM or mu-law"
        ) from exc
    except (
        CouldntDecodeError,
        IndexError,
        KeyError,
        ValueError,
    ) as exc:  # as found in its from_file
        raise RecordingError(f"{path}: there is no audio in it that ffmpeg can read") from exc


def _at_call_rate(pcm: Pcm, rate: int) -> Pcm:
    if rate == CALL_RATE:
        return pcm
    resampled = soxr.resample(pcm.astype(np.float32), rate, CALL_RATE, quality="HQ")
    clipped: Pcm = np.clip(np.rint(resampled), -32_768, 32_767).astype(np.int16)
    return clipped
