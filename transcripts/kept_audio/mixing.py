"""Puts the samples of all parts of a call on its clock, with silence where there are none or none may be heard."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from protocol.audio import Pcm
from protocol.clock import CALL_RATE, at_rate, from_seconds
from protocol.events import Span

from .part_reader import PartReader, PlacedRecord

Frames = npt.NDArray[np.int16]
"""Samples of all channels: int16 `[n, channels]`."""

MARGIN = from_seconds(0.3)
"""Silence before and after a redacted span, in samples of the call clock: word times are estimates."""

_WINDOW_SECONDS = 10
MOST_CHANNELS = 2


def rate_of(parts: Sequence[PartReader]) -> int:
    """Return the highest rate of the parts, in Hz."""
    return max((part.rate for part in parts), default=CALL_RATE)


def windows(
    parts: Sequence[PartReader], channels: int, duration: int, silent: Sequence[Span]
) -> Iterator[Frames]:
    """
    Yield the audio of a call at `rate_of(parts)`, up to ten seconds at a time.

    `duration` and `silent`: samples of the call clock.  Where parts overlap, the later part counts.  A call with
    more than two channels becomes stereo: channels with even numbers left, the others right.
    """
    rate = rate_of(parts)
    records = sorted(
        (
            (_start(part, one, rate), number, one)
            for number, part in enumerate(parts)
            for one in part.records
        ),
        key=lambda found: found[0],
    )
    quiet = [_at(span, rate) for span in silent]
    waiting: list[tuple[int, int, int, Pcm]] = []
    length, place = at_rate(duration, rate), 0
    for first in range(0, length, _WINDOW_SECONDS * rate):
        last = min(length, first + _WINDOW_SECONDS * rate)
        while place < len(records) and records[place][0] < last:
            start, number, one = records[place]
            pcm = _at_common_rate(parts[number], one, rate)
            waiting.append((number, start, one.head.channel, pcm))
            place += 1
        frames = _mixed(sorted(waiting, key=lambda one: one[:2]), channels, Span(first, last))
        for span in quiet:
            frames[max(0, span.start - first) : max(0, span.end - first)] = 0
        yield frames
        waiting = [one for one in waiting if one[1] + len(one[3]) > last]


def _start(part: PartReader, record: PlacedRecord, rate: int) -> int:
    return record.head.position * rate // part.rate


def _at(span: Span, rate: int) -> Span:
    """Return a span with its margin at `rate`."""
    return Span(at_rate(max(0, span.start - MARGIN), rate), at_rate(span.end + MARGIN, rate))


def _at_common_rate(part: PartReader, record: PlacedRecord, rate: int) -> Pcm:
    pcm = part.read(record)
    if pcm is None:  # damaged
        return np.zeros(0, np.int16)
    if part.rate == rate:
        return pcm
    import soxr  # noqa: PLC0415  # rarely needed: a bridge has changed its rate

    return np.asarray(soxr.resample(pcm, part.rate, rate), np.int16)


def _mixed(records: Sequence[tuple[int, int, int, Pcm]], channels: int, window: Span) -> Frames:
    whole = np.zeros((window.end - window.start, max(1, channels)), np.int16)
    for _, start, channel, pcm in records:
        first, last = max(start, window.start), min(start + len(pcm), window.end)
        if first < last and channel < whole.shape[1]:
            whole[first - window.start : last - window.start, channel] = pcm[
                first - start : last - start
            ]
    if whole.shape[1] <= MOST_CHANNELS:
        return whole
    sides = [whole[:, side::2].astype(np.int32).sum(axis=1) for side in range(MOST_CHANNELS)]
    both: Frames = np.clip(np.stack(sides, axis=1), -32_768, 32_767).astype(np.int16)
    return both
