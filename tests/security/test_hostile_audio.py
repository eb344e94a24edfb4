"""Audio that is made to exhaust resources: small files and messages that expand to hours."""

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.http_client import http_client
from support.pipeline import gateway
from support.ports import free_port
from support.valkey import ValkeyServer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from streaming.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
NOTHING = bytes([(3 << 3) | 3, 2])
"""An Opus packet of two bytes that stands for 120 ms."""


def page(packets: list[bytes], sequence: int) -> bytes:
    head = b"OggS\0\0" + bytes(8) + b"\1\0\0\0" + struct.pack("<I", sequence) + bytes(4)
    return head + bytes([len(packets), *map(len, packets)]) + b"".join(packets)


def ogg(pages: int) -> bytes:
    """Each page stands for half a minute."""
    heads = page([b"OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"], 0) + page([b"OpusTags" + bytes(8)], 1)
    return heads + b"".join(page([NOTHING] * 250, 2 + number) for number in range(pages))


def wav(rate: int, channels: int, audio: bytes) -> bytes:
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, 7, channels, rate, 0, 0, 8)
    return b"RIFF\0\0\0\0WAVE" + layout + b"data" + struct.pack("<I", len(audio)) + audio


@dataclass(frozen=True)
class Started:
    """A gateway as an operator starts it."""

    pid: int
    url: str
    http: str

    @property
    def peak_megabytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1_024  # type: ignore[index]


@pytest.fixture
def started(valkey: ValkeyServer, tmp_path: Path) -> Iterator[Started]:
    http = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    script = f"exec {sys.executable} -m trunkline gateway --port 0 --http-port {http}"
    process = subprocess.Popen(
        ["bash", "-c", script], stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env=clean | {"XDG_DATA_HOME": str(tmp_path), "TRUNKLINE_REDIS_URL": valkey.url},
    )  # fmt: skip
    assert process.stderr is not None
    lines = (json.loads(line) for line in process.stderr)
    port = next(line["port"] for line in lines if line["event"] == "listening")
    yield Started(process.pid, f"ws://127.0.0.1:{port}", f"http://127.0.0.1:{http}")
    process.kill()
    process.wait()
    process.stderr.close()


async def told(url: str, messages: list[bytes]) -> tuple[int | None, str | None]:
    """Close code and reason for a client of Deepgram's API that sends Opus."""
    async with connect(f"{url}/v1/listen?encoding=opus", max_size=None) as client:
        try:
            for message in messages:
                await client.send(message)
            await client.send('{"type":"CloseStream"}')
            async for _ in client:
                pass
        except ConnectionClosed:
            pass
    return client.close_code, client.close_reason


@pytest.mark.waits
async def test_hostile_headers_and_packets_cost_a_started_gateway_nothing(started: Started) -> None:
    before = started.peak_megabytes
    answers = {}
    async with http_client() as client:
        for rate, channels in (
            (0, 1),
            (1, 1),
            (20, 1),
            (2**32 - 1, 1),
            (8_000, 0),
            (8_000, 65_535),
        ):
            body = wav(rate, channels, bytes(500_000))
            answers[rate, channels] = (
                await client.post(f"{started.http}/v1/listen", content=body)
            ).status_code
    code, reason = await told(started.url, [ogg(80)])

    assert set(answers.values()) == {400}, answers
    assert (code, reason) == (4400, "one message of 2400 s of audio: send at most 150 s")
    assert started.peak_megabytes - before < 100


@pytest.fixture
async def url(redis: Redis) -> AsyncIterator[str]:
    async with gateway(redis, GatewaySettings(drain_seconds=0)) as address:
        yield address


async def test_compressed_audio_within_the_limits_is_decoded_to_its_end(url: str) -> None:
    async with connect(f"{url}/v1/listen?encoding=opus&call_id=c-1") as client:
        for message in (ogg(4), ogg(4)[len(ogg(0)) :], ogg(4)[len(ogg(0)) :]):
            await client.send(message)
        await client.send('{"type":"CloseStream"}')
        (metadata,) = [
            body async for one in client if (body := json.loads(one))["type"] == "Metadata"
        ]

    assert metadata["duration"] == pytest.approx(360, abs=1)


async def test_compressed_audio_counts_for_the_pace_of_a_call_before_it_is_decoded(
    redis: Redis,
) -> None:
    strict = GatewaySettings(
        drain_seconds=0, audio_pace=1.25, audio_burst_seconds=2, hold_seconds=1
    )
    async with gateway(redis, strict) as url:
        code, _ = await told(url, [ogg(4)] + [ogg(4)[len(ogg(0)) :]] * 60)

    assert code == 4429


def test_a_playlist_under_another_name_does_not_make_a_started_program_read_another_file(
    tmp_path: Path,
) -> None:
    secret = ROOT / "tests" / "speech" / "prompts" / "vm-invalid-password.wav"
    (tmp_path / "call.mp3").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}

    done = subprocess.run(
        ["bash", "-c", f"exec {sys.executable} -m trunkline transcribe {tmp_path}/call.mp3"],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env=clean | {"XDG_DATA_HOME": str(tmp_path)},
    )  # fmt: skip

    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.strip().endswith("call.mp3: it contains no readable audio")
