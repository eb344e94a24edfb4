"""Jobs between versions: a worker never takes stored audio for audio of another rate."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from protocol.events import SegmentId
from protocol.scheduling.jobs import Job, JobError, decode_job, encode_job

JOB = Job("call-1", "log-a", SegmentId(0, 3), start=800, queued_at=1.5, language="en", end=8_800)


def fields_of(job: Job) -> dict[str, Any]:
    _, fields = msgspec.msgpack.decode(encode_job(job))
    return dict(fields)


def version_of(job: Job) -> int:
    version, _ = msgspec.msgpack.decode(encode_job(job))
    return int(version)


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_a_job_comes_back_as_it_was(rate: int) -> None:
    job = replace(JOB, rate=rate)

    assert decode_job(encode_job(job)) == job


def test_a_job_of_an_older_gateway_has_its_audio_at_16_khz() -> None:
    older = fields_of(JOB)
    del older["rate"]

    assert decode_job(msgspec.msgpack.encode((1, older))).rate == 16_000


def test_an_older_worker_leaves_a_job_at_8_khz_to_others() -> None:
    """It knows version 1 only, and would take the audio for audio at 16 kHz."""
    assert version_of(replace(JOB, rate=8_000)) == 2
    assert version_of(replace(JOB, rate=16_000)) == 1


@pytest.mark.parametrize("rate", [0, -8_000, 11_025, 48_000])
def test_a_job_at_a_rate_that_no_worker_converts_is_refused(rate: int) -> None:
    with pytest.raises(JobError, match="8000 or 16000"):
        decode_job(encode_job(replace(JOB, rate=rate)))


@pytest.mark.parametrize("version", [0, 3])
def test_a_job_of_an_unknown_version_is_refused(version: int) -> None:
    with pytest.raises(JobError, match=f"version {version}"):
        decode_job(msgspec.msgpack.encode((version, fields_of(JOB))))
