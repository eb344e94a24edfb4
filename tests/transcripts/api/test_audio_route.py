"""`GET /v1/calls/{id}/audio`: ranges, conditions, tenants, audit, and what deletion leaves of it."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from redis.asyncio import Redis
from support.api import bearer, running_api
from support.call_records import ended, recorded, started
from support.credentials import site
from support.engines import LengthTeller
from support.kept_audio import audio_settings, decoded, master_keys
from support.pipeline import calling, pipeline, stream
from support.spoken_calls import AUDIO
from support.waiting import until

from protocol.audio import AudioFormat, Pcm
from streaming.audio_writer import AudioWriter, CallAudio
from streaming.metrics import GatewayMeter
from streaming.settings import GatewaySettings
from transcripts.api.messages.byte_ranges import ByteRange, UnsatisfiableError, read_range
from transcripts.api.settings import ApiSettings
from transcripts.kept_audio.finishing import AudioFinisher
from transcripts.settings import RecorderSettings
from transcripts.store import Store
from transcripts.transcript import Changes

SPOKEN: Pcm = AudioFormat().decode(AUDIO)[0]


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("bytes=0-", ByteRange(0, 99)),
        ("bytes=10-19", ByteRange(10, 19)),
        ("bytes=10-1000", ByteRange(10, 99)),
        ("bytes=-10", ByteRange(90, 99)),
        ("bytes=-1000", ByteRange(0, 99)),
        ("bytes=99-99", ByteRange(99, 99)),
        ("BYTES= 5-6 ", ByteRange(5, 6)),
        ("", None),
        ("bytes=-", None),
        ("bytes=7-3", None),
        ("bytes=0-1,5-6", None),
        ("bytes=a-b", None),
        ("bytes=\u0661-\u0662", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_a_range_is_what_the_standard_says_and_a_malformed_one_is_ignored(
    asked: str, wanted: ByteRange | None
) -> None:
    assert read_range(asked, "", '"a"', 100) == wanted
    assert read_range(asked, '"a"', '"a"', 100) == wanted
    assert read_range(asked, '"b"', '"a"', 100) is None


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_satisfied(asked: str) -> None:
    with pytest.raises(UnsatisfiableError):
        read_range(asked, "", '"a"', 100)


def keep(store: Store, folder: Path, call_id: str, pcm: Pcm) -> None:
    """Store a call with one channel of audio, and finish it."""
    made, known = folder / "audio", master_keys(folder)
    writer = AudioWriter(made, known, GatewayMeter())
    call = CallAudio(writer, 8_000, is_checked=True)
    kept = call.begin()
    call.add(0, 0, pcm)
    call.close()
    writer.stop()
    store.record(recorded(call_id, started(), kept, ended(duration=len(pcm))))
    AudioFinisher(store, made, known, 0.0).run()


async def test_a_call_is_heard_in_the_api_where_and_when_it_was_spoken(
    redis: Redis, tmp_path: Path
) -> None:
    """From the bridge to the API, through the whole pipeline; the position of the speech by cross-correlation."""
    kept = audio_settings(tmp_path)
    gateway = GatewaySettings.model_validate({"keep_audio": "*", "drain_seconds": 0, **kept})
    recorder = RecorderSettings(audio_seconds=0.05, audio_settle_seconds=0, **kept)

    async with (
        pipeline(redis, tmp_path, LengthTeller(), gateway=gateway, recorder=recorder) as it,
        running_api(redis, it.store, ApiSettings(**kept)) as api,
    ):
        async with calling(it.url, call_id="c1") as (bridge, heard):
            await stream(bridge, AUDIO, frame=160, pace=40)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        audio = await _finished(api.client, "c1")

    played = decoded(audio.content)[:, 0]
    assert audio.headers["content-type"] == "audio/ogg"
    assert len(played) == len(SPOKEN)
    for start in range(0, len(SPOKEN) - 16_000, 16_000):
        assert abs(_lag(SPOKEN[start : start + 16_000], played[start : start + 16_000])) <= 80


async def test_ranges_and_conditions_give_the_same_bytes_as_the_whole(
    redis: Redis, tmp_path: Path
) -> None:
    settings = ApiSettings(**audio_settings(tmp_path))
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    keep(store, tmp_path, "c1", np.tile(SPOKEN, 3))

    async with running_api(redis, store, settings) as api:
        url, client = "/v1/calls/c1/audio", api.client
        whole = await client.get(url)
        head = await client.head(url)
        etag = whole.headers["etag"]
        size = len(whole.content)
        assert (whole.status_code, head.status_code, head.content) == (200, 200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"] == str(size)
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["cache-control"] == "no-store"
        for first, last in [
            (0, 0),
            (0, size - 1),
            (65_535, 65_536),
            (70_000, 200_000),
            (size - 9, size),
        ]:
            part = await client.get(url, headers={"range": f"bytes={first}-{last}"})
            assert part.status_code == 206
            assert part.content == whole.content[first : last + 1]
            assert part.headers["content-range"] == f"bytes {first}-{min(last, size - 1)}/{size}"
        behind = await client.get(url, headers={"range": f"bytes={size}-"})
        assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")
        other = await client.get(url, headers={"range": "bytes=0-1", "if-range": '"other"'})
        assert (other.status_code, other.content) == (200, whole.content)
        same = await client.get(url, headers={"if-none-match": f'"x", {etag}'})
        assert (same.status_code, same.content) == (304, b"")
        assert (await client.get(f"{url}?x=1")).status_code == 400
        assert (await client.post(url)).status_code == 405
    lines = [one.line.action for one in store.audited()]
    assert lines.count("audio") == 1  # a player reads many ranges within a minute
    store.close()


async def test_a_deleted_call_has_no_audio_and_no_file_and_a_held_one_keeps_both(
    redis: Redis, tmp_path: Path
) -> None:
    settings = ApiSettings(**audio_settings(tmp_path))
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    for name in ("c1", "held"):
        keep(store, tmp_path, name, SPOKEN)
    store.describe("held", Changes(legal_hold=True))

    async with running_api(redis, store, settings) as api:
        deleted = await api.client.delete("/v1/calls/c1")
        refused = await api.client.delete("/v1/calls/held")
        gone = await api.client.get("/v1/calls/c1/audio")
        there = await api.client.get("/v1/calls/held/audio")

    assert (deleted.status_code, refused.status_code) == (204, 409)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "no_audio")
    assert there.status_code == 200
    assert len(list((tmp_path / "audio").iterdir())) == 1
    store.close()


@pytest.mark.parametrize("lost", ["file", "master key", "bytes"])
async def test_audio_that_cannot_be_read_any_more_says_so(
    redis: Redis, tmp_path: Path, lost: str
) -> None:
    settings = ApiSettings(**audio_settings(tmp_path))
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    keep(store, tmp_path, "c1", SPOKEN)
    (file,) = (tmp_path / "audio").iterdir()
    match lost:
        case "file":
            file.unlink()
        case "bytes":
            file.write_bytes(b"\0" * file.stat().st_size)
        case _:
            (tmp_path / "audio.key").unlink()
            settings = ApiSettings(**audio_settings(tmp_path))

    async with running_api(redis, store, settings) as api:
        answer = await api.client.get("/v1/calls/c1/audio")

    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "audio_unreadable")
    store.close()


async def test_a_key_of_another_tenant_or_without_read_hears_nothing(
    redis: Redis, tmp_path: Path
) -> None:
    made = site(tmp_path)
    settings = ApiSettings(keys_file=str(made.file), **audio_settings(tmp_path))
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    keep(store, tmp_path, "acme/c1", SPOKEN)

    async with running_api(redis, store, settings) as api:
        answers = [
            (await api.client.get("/v1/calls/c1/audio", headers=bearer(key))).status_code
            for key in (made.acme_reader, made.globex, made.acme_bridge)
        ]
        nobody = (await api.client.get("/v1/calls/c1/audio")).status_code

    assert (answers, nobody) == ([200, 404, 403], 401)
    store.close()


async def _finished(client: httpx.AsyncClient, call_id: str) -> httpx.Response:
    """Wait until the audio of a call is finished."""

    async def finished() -> httpx.Response | None:
        answer = await client.get(f"/v1/calls/{call_id}/audio")
        return answer if answer.status_code == 200 else None

    return await until(finished)


def _lag(one: Pcm, other: Pcm) -> int:
    """The shift in samples at which two recordings fit best."""
    if not one.any():
        return 0
    both = np.fft.rfft(one.astype(float), 32_768), np.fft.rfft(other.astype(float), 32_768)
    found = np.fft.irfft(np.conj(both[0]) * both[1])
    place = int(np.argmax(found))
    return place if place < 16_384 else place - 32_768
