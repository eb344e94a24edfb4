"""The command line, as a process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.prompts import PROMPTS
from support.valkey import ValkeyServer
from support.waiting import PATIENCE
from websockets.sync.client import connect

ROOT = Path(__file__).parent.parent
PROMPT = sorted((ROOT / "tests" / "speech" / "prompts").glob("*.wav"))[0]
REFERENCE = PROMPTS[PROMPT.stem]["text"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A user without settings, whose data folder is the test's own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    ports = dict.fromkeys(("API_PORT", "GATEWAY_HTTP_PORT", "GATEWAY_AUDIOSOCKET_PORT"), "0")
    free = {f"TRUNKLINE_{name}": port for name, port in ports.items()}
    return clean | {"XDG_DATA_HOME": str(tmp_path)} | free


def trunkline(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trunkline", *arguments],
        capture_output=True, text=True, env=environment, cwd=ROOT, timeout=240, check=False,
    )  # fmt: skip


def test_a_recording_becomes_a_transcript(environment: dict[str, str], tmp_path: Path) -> None:
    from transcripts.wer import word_errors

    output = tmp_path / "out.json"

    done = trunkline(
        environment, "transcribe", str(PROMPT), "--format", "json", "--output", str(output)
    )

    assert done.returncode == 0, done.stderr
    said = " ".join(one["text"] for one in json.loads(output.read_text())["segments"])
    assert word_errors(REFERENCE, said).rate <= 0.1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["gateway", "--port", "99999"], "--port: Input should be less than or equal to 65535"),
        (["transcribe", "nothing.wav"], "nothing.wav"),
        (["show", "nobody"], "no call nobody is stored"),
        (["--config", "absent.toml", "gateway"], "absent.toml"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    environment: dict[str, str], arguments: list[str], complaint: str
) -> None:
    done = trunkline(environment, *arguments)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("TRUNKLINE_GATEWAY_PRT", "unknown environment variable TRUNKLINE_GATEWAY_PRT; did you mean TRUNKLINE_GATEWAY_PORT"),
        ("TRUNKLINE_GATEWAY_HANGOVER_MS", "TRUNKLINE_GATEWAY_HANGOVER_MS: Input should be"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(
    environment: dict[str, str], name: str, complaint: str
) -> None:
    done = trunkline(environment | {name: "x"}, "gateway")

    assert done.returncode == 2
    assert complaint in done.stderr


def test_without_redis_a_part_says_what_to_do(environment: dict[str, str]) -> None:
    done = trunkline(environment | {"TRUNKLINE_REDIS_URL": "redis://127.0.0.1:1"}, "recorder")

    assert done.returncode == 2
    assert "start one there, or set TRUNKLINE_REDIS_URL" in done.stderr


@pytest.mark.parametrize(
    "setting",
    [
        "GATEWAY_PORT",
        pytest.param("GATEWAY_HTTP_PORT", marks=pytest.mark.long),
        pytest.param("GATEWAY_AUDIOSOCKET_PORT", marks=pytest.mark.long),
        pytest.param("GATEWAY_METRICS_PORT", marks=pytest.mark.long),
        pytest.param("RECORDER_METRICS_PORT", marks=pytest.mark.long),
        pytest.param("WORKER_METRICS_PORT", marks=pytest.mark.long),
        "API_PORT",
    ],
)
def test_a_taken_port_is_told_in_one_line(
    environment: dict[str, str], valkey: ValkeyServer, setting: str
) -> None:
    part, _, name = setting.lower().partition("_")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        settings = {"TRUNKLINE_REDIS_URL": valkey.url, "TRUNKLINE_GATEWAY_PORT": "0"}
        done = trunkline(environment | settings | {f"TRUNKLINE_{setting}": taken}, part)

    assert done.returncode == 2
    (told,) = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    assert told.startswith(f"trunkline: port {taken} on 127.0.0.1 is in use by ")
    assert f"process {os.getpid()}" in told  # Linux tells it
    assert f"set {name} to another port" in told


def test_up_tells_a_taken_port_before_it_starts_anything(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        done = trunkline(environment, "up", "--port", taken)

    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"port {taken} on 127.0.0.1 is in use by " in done.stderr


@pytest.fixture
def up(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`trunkline up` on a free port, and the gateway's URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trunkline", "up", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout is not None
    url = next(
        found[1] for line in process.stdout if (found := re.search(r"(ws://\S+)/twilio", line))
    )
    yield process, url
    if process.poll() is None:
        process.kill()
        process.wait()


def test_a_call_through_the_whole_stack_is_shown_and_stored(
    environment: dict[str, str], up: tuple[subprocess.Popen[str], str]
) -> None:
    """`up`, then `call` in each dialect, then `show`; Ctrl-C ends it cleanly."""
    process, url = up

    calls = {
        dialect: trunkline(
            environment, "call", str(PROMPT), "--url", url, "--dialect", dialect,
            "--call-id", f"by-{dialect}", "--pace", "2",
        )
        for dialect in ("native", "twilio")
    }  # fmt: skip
    process.send_signal(signal.SIGINT)
    status = process.wait(timeout=PATIENCE)
    shown = trunkline(environment, "show", "by-twilio", "--format", "txt")
    listed = trunkline(environment, "show")

    word = REFERENCE.split()[0]
    assert [done.returncode for done in calls.values()] == [0, 0], calls
    assert all(word in done.stdout for done in calls.values())
    assert status == 0
    assert word in shown.stdout
    assert "by-native" in listed.stdout


def test_what_other_bridges_send_ends_no_call_of_a_real_gateway(
    environment: dict[str, str], up: tuple[subprocess.Popen[str], str]
) -> None:
    """Audio before the opening message, a Call-ID of SIP, garbage and an option in another shape; then begun again."""
    _, url = up
    media = (
        '{"event":"media","media":{"track":"inbound","timestamp":"0","payload":"'
        + "/" * 2_560
        + '"}}'
    )
    start = {
        "callSid": "other", "tracks": ["inbound"], "mediaFormat": {"encoding": "audio/x-mulaw"},
        "customParameters": {"call_id": "a8@192.0.2.7", "keywords": [{"phrase": "Acme", "boost": 9}], "partials": []},
    }  # fmt: skip
    opening = json.dumps({"event": "start", "start": start})

    for _ in range(2):
        with connect(f"{url}/twilio") as bridge:
            for message in (media, opening, '{"event":', media, '{"event":"stop"}'):
                bridge.send(message)
            assert list(bridge) == []  # closed with 1000
        with connect(f"{url}/v1/calls/a8%40192.0.2.7/events") as listener:
            log = [json.loads(event) for event in listener]
        assert log[0]["bridge_call_id"] == "a8@192.0.2.7"
        assert [one["accepted"] for one in log if one["type"] == "keywords.applied"] == [["Acme"]]
        assert [one["code"] for one in log if one["type"] == "warning"] == [
            "option_ignored",
            "bad_message",
        ]
        assert log[-1]["type"] == "call.ended"

    for _ in range(100):  # until the recorder has stored the second one too
        shown = trunkline(environment, "show", "a8@192.0.2.7", "--format", "json")
        if shown.returncode == 0 and "pieces" in shown.stdout:
            break
    assert [one["call_id"] for one in json.loads(shown.stdout)["pieces"]] == [
        "a8=40192.0.2.7",
        "a8=40192.0.2.7~2",
    ]
