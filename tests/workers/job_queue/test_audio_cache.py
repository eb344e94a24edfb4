from protocol.events import SegmentId
from protocol.scheduling.jobs import Job
from workers.job_queue.audio_cache import OVERLAP, AudioCache


def job(number: int = 0, *, start: int = 0, end: int | None = None, log: str = "log") -> Job:
    return Job("c1", log, SegmentId(0, number), start, 0.0, "en", end=end)


def audio(length: int, seed: int = 0) -> bytes:
    return bytes((seed + 7 * at) % 251 for at in range(length))


def test_a_partial_fetches_only_what_is_new() -> None:
    cache, stored = AudioCache(), audio(20_000)
    assert cache.join(job(), cache.offset(job()), stored[:6_400], keep=True) == stored[:6_400]
    offset = cache.offset(job())
    assert offset == 6_400 - OVERLAP
    assert cache.join(job(), offset, stored[offset:12_800], keep=True) == stored[:12_800]


def test_the_final_uses_what_is_kept_and_then_nothing_is_kept() -> None:
    cache, stored = AudioCache(), audio(9_000)
    cache.join(job(), 0, stored[:6_400], keep=True)
    final = job(end=2_250)
    offset = cache.offset(final)
    assert cache.join(final, offset, stored[offset:], keep=False) == stored
    assert cache.size == 0


def test_audio_that_redis_lost_or_has_otherwise_is_fetched_whole() -> None:
    cache, stored = AudioCache(), audio(9_000)
    cache.join(job(), 0, stored, keep=True)
    assert cache.join(job(), cache.offset(job()), b"", keep=True) is None
    cache.join(job(), 0, stored, keep=True)
    assert cache.join(job(), cache.offset(job()), audio(OVERLAP, seed=1), keep=True) is None
    assert cache.offset(job()) == 0
    assert cache.join(job(), 0, b"", keep=True) == b""


def test_a_segment_of_another_log_or_another_start_is_another_segment() -> None:
    cache = AudioCache()
    cache.join(job(), 0, audio(9_000), keep=True)
    assert cache.offset(job(log="other")) == 0
    assert cache.offset(job(start=160)) == 0


def test_the_segments_read_longest_ago_go_first_beyond_the_limit() -> None:
    cache = AudioCache(most=10_000)
    for number in range(3):
        cache.join(job(number), 0, audio(4_000), keep=True)
    assert cache.size == 8_000
    assert [cache.offset(job(number)) > 0 for number in range(3)] == [False, True, True]
