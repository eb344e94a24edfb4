"""Reads a known recording for the check of an engine at its start."""

from pathlib import Path

import av
import numpy as np

from protocol.clock import ENGINE_RATE

from ..base import EngineError, Samples

LONGEST_CLIP = 120.0
"""Seconds."""


def read_clip(path: Path) -> Samples:
    """Read a recording: one channel, float32, at 16 kHz, at most LONGEST_CLIP.  Raises EngineError."""
    most, pieces, count = round(LONGEST_CLIP * ENGINE_RATE), list[Samples](), 0
    try:
        with av.open(str(path)) as file:
            to_mono = av.AudioResampler(format="flt", layout="mono", rate=ENGINE_RATE)
            for frame in file.decode(audio=0):
                pieces += [part.to_ndarray()[0] for part in to_mono.resample(frame)]
                count += len(pieces[-1]) if pieces else 0
                if count > most:
                    break
            pieces += [part.to_ndarray()[0] for part in to_mono.resample(None)]
    except (OSError, ValueError, IndexError) as exc:  # the errors of FFmpeg are among them
        raise EngineError(f"{path} is damaged: no recording ({type(exc).__name__})") from exc
    if not pieces:
        raise EngineError(f"{path} is damaged: no samples")
    return np.concatenate(pieces)[:most].astype(np.float32)
