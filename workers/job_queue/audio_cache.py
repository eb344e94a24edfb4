"""
Keeps the audio of open segments in the worker, so that each partial fetches only what is new.  Pure.

Any worker may get the next job of a segment; it fetches what it lacks.
"""

from collections import OrderedDict

from protocol.scheduling.jobs import Job

OVERLAP = 64
"""Bytes fetched again, to see that Redis still has the audio that is kept."""

_MOST = 64_000_000
"""Bytes kept at most, in all: an hour of speech at 8 kHz.  The segments that were read longest ago go first."""

_Key = tuple[str, str, str, int]


class AudioCache:
    """The audio of segments: 16-bit PCM at the rates of their jobs, from the start of each."""

    def __init__(self, most: int = _MOST) -> None:
        """`most`: limit in bytes."""
        self._most = most
        self._size = 0
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._size

    def offset(self, job: Job) -> int:
        """Return the byte from which the audio of the segment must be fetched."""
        return max(0, len(self._kept.get(_key(job), b"")) - OVERLAP)

    def join(self, job: Job, offset: int, fetched: bytes, *, keep: bool) -> bytes | None:
        """
        Return the whole audio, given what Redis has from `offset` on; `keep` it while the segment is open.

        None: Redis does not have the audio that is kept, for example because it was lost: fetch all of it.
        """
        before = self.pop(job)
        if offset > len(before) or (offset and not fetched.startswith(before[offset:])):
            return None
        audio = before[:offset] + fetched
        if keep and audio:
            self._keep(_key(job), audio)
        return audio

    def pop(self, job: Job) -> bytes:
        """Remove and return what is kept of a segment; empty if nothing is."""
        audio = self._kept.pop(_key(job), b"")
        self._size -= len(audio)
        return audio

    def _keep(self, key: _Key, audio: bytes) -> None:
        self._kept[key] = audio
        self._size += len(audio)
        while self._size > self._most:
            _, dropped = self._kept.popitem(last=False)
            self._size -= len(dropped)


def _key(job: Job) -> _Key:
    """A segment of one log; its start too, because a gateway that takes a call back may cut it differently."""
    return (job.call_id, job.log, str(job.segment), job.start)
