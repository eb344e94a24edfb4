"""Reads the audio of jobs from Redis, only what the worker does not have yet."""

from collections.abc import Sequence

from redis.asyncio import Redis

from ..engines.base import Effort
from .audio_cache import AudioCache
from .claimed import ClaimedJob


class AudioReader:
    """The audio of the jobs of one worker.  Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._cache = AudioCache()

    async def read(self, claimed: Sequence[ClaimedJob]) -> list[bytes]:
        """The stored audio of each job: 16-bit little-endian PCM at the job's rate; empty when it has expired."""
        offsets = [self._cache.offset(one.job) for one in claimed]
        fetched = await self._fetch(claimed, offsets)
        found = [
            self._cache.join(one.job, offset, audio, keep=one.effort is not Effort.FINAL)
            for one, offset, audio in zip(claimed, offsets, fetched, strict=True)
        ]
        if lacking := [one for one, audio in zip(claimed, found, strict=True) if audio is None]:
            whole = iter(await self._fetch(lacking, [0] * len(lacking)))
            found = [next(whole) if audio is None else audio for audio in found]
        return [audio or b"" for audio in found]

    async def _fetch(self, claimed: Sequence[ClaimedJob], offsets: Sequence[int]) -> list[bytes]:
        """The stored audio of each job from a byte on; empty when there is none."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for one, offset in zip(claimed, offsets, strict=True):
                pipe.getrange(one.keys.audio(one.job.segment), offset, -1)
            return await pipe.execute()
