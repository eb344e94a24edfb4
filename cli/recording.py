"""
Read audio files as channels at 8 kHz.

Telephone recordings are WAV files with PCM, mu-law or A-law, which `protocol.codecs.wav` reads.  Other kinds of
PCM in WAV are read by pydub, without ffmpeg.  All other formats are decoded in a child process (see `container`).
"""

import os
import stat
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import soxr

from protocol.audio import Encoding, Pcm
from protocol.clock import CALL_RATE, to_seconds
from protocol.codecs.wav import Samples, WavError, parse_wav, samples
from protocol.operator_error import OperatorError
from streaming.audio.files.container import ContainerError, decode_container
from streaming.audio.files.container_child import LONGEST_SECONDS

_LARGEST_FILE = 5 << 30
"""Bytes: more than 4 hours of stereo in 24 bit at 48 kHz."""


class RecordingError(OperatorError):
    """The file cannot be played.  The text says why and what the user must do."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Audio of a file; `channels`: int16 at 8 kHz, all of the same length."""

    channels: tuple[Pcm, ...]

    @property
    def samples(self) -> int:
        """Length of each channel in samples."""
        return len(self.channels[0])

    @property
    def seconds(self) -> float:
        """Length of each channel in seconds."""
        return to_seconds(self.samples)


def read_recording(path: Path) -> Recording:
    """Read an audio file and resample it to 8 kHz.  Raises RecordingError."""
    try:
        with path.open("rb") as file:
            found = _read(file)
    except OSError as exc:
        raise RecordingError(f"{path}: {exc.strerror}") from exc
    except WavError as exc:
        raise RecordingError(f"{path}: {exc}; the file may be damaged") from exc
    except (ContainerError, RecordingError) as exc:
        raise RecordingError(f"{path}: {exc}") from exc
    if not found.frames:
        raise RecordingError(f"{path}: the file contains no audio")
    if found.seconds > LONGEST_SECONDS:
        raise RecordingError(
            f"{path}: it is longer than {LONGEST_SECONDS // 3_600} hours: split it"
        )
    return Recording(tuple(np.ascontiguousarray(channel) for channel in _at_call_rate(found).T))


def _read(file: IO[bytes]) -> Samples:
    """Read an open file; where possible, the audio is not decoded yet."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise RecordingError("it is no file")
    if not status.st_size:
        raise RecordingError("the file is empty")
    if status.st_size > _LARGEST_FILE:
        raise RecordingError(f"the file is larger than {_LARGEST_FILE >> 30} GiB: split it")
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        content = head + file.read()
        if found := parse_wav(content) or _read_with_pydub(content):
            return found
    decoded = decode_container(file)
    return samples(Encoding.L16, CALL_RATE, decoded.channels, decoded.body)


def _read_with_pydub(content: bytes) -> Samples | None:
    """
    Read the kinds of PCM that `parse_wav` does not read, such as 24 bit; None if pydub cannot read it.

    pydub decodes bytes itself.  Given a file, it would run ffmpeg, which could read files that the content names.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pydub warns if ffmpeg is absent
        from pydub import AudioSegment  # slow to import, and rarely needed
        from pydub.exceptions import CouldntDecodeError
    try:
        segment = AudioSegment(data=content).set_sample_width(2)
    except (CouldntDecodeError, AttributeError, IndexError, KeyError, ValueError, struct.error):
        return None  # the errors found in its constructor
    return samples(Encoding.L16, segment.frame_rate, segment.channels, segment.raw_data)


def _at_call_rate(found: Samples) -> Pcm:
    """Return int16 `[n, channels]` at 8 kHz, resampled in pieces of one second."""
    pieces = found.pieces(found.rate)
    if found.rate == CALL_RATE:
        return np.concatenate(list(pieces))
    stream = soxr.ResampleStream(
        found.rate, CALL_RATE, found.channels, dtype="float32", quality=soxr.HQ
    )
    resampled = [_clipped(stream.resample_chunk(piece.astype(np.float32))) for piece in pieces]
    nothing = np.zeros((0, found.channels), dtype=np.float32)
    return np.concatenate([*resampled, _clipped(stream.resample_chunk(nothing, last=True))])


def _clipped(wide: np.ndarray) -> Pcm:
    clipped: Pcm = np.clip(np.rint(wide), -32_768, 32_767).astype(np.int16)
    return clipped
