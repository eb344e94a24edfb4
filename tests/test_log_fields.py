"""No speech, keyword or number reaches a log line, whether from our code, a library or a crash."""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from redis.asyncio import Redis
from support.engines import LengthTeller
from support.pipeline import calling, pipeline, reset, stream
from support.valkey import ValkeyServer
from websockets.exceptions import ConnectionClosed

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from runtime.log_fields import (
    FIELDS,
    FieldNotAllowedError,
    LibraryLines,
    only_allowed,
    refuse_others,
)
from streaming.settings import GatewaySettings
from workers.engines.base import Engine, Utterance

ROOT = Path(__file__).parent.parent
PROMPTS = sorted((ROOT / "tests" / "speech" / "prompts").glob("*.wav"))[:3]
KEYWORDS = ["Zanzibar Quillon", "4929123456781234"]
NUMBER = "441632960961"

Lines = list[dict[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """All log lines, of Trunkline and of libraries, as production writes them."""
    said: Lines = []

    def take_down(_logger: object, _method: str, line: Any) -> str:
        said.append(json.loads(json.dumps(line)))
        return ""

    before = structlog.get_config()["processors"]
    library = LibraryLines()
    root = logging.getLogger()
    level = root.level
    structlog.configure(processors=[structlog.processors.add_log_level, only_allowed, take_down])
    root.addHandler(library)
    root.setLevel(logging.DEBUG)
    yield said
    root.setLevel(level)
    root.removeHandler(library)
    structlog.configure(processors=before)


def speech() -> Pcm:
    silence = np.zeros(8_000, dtype=np.int16)
    return np.concatenate(
        [part for path in PROMPTS for part in (read_recording(path).channels[0], silence)]
    )


def words_of(value: object) -> set[str]:
    return set(re.findall(r"[a-z]{3,}|\d{4,}", str(value).lower()))


def leaked(lines: Lines, content: set[str]) -> dict[str, str]:
    """Fields of lines that hold a word of `content`, in their values: names are words of the code."""
    ours = {"event", "level", "dropped", "where", "library", "dialect", "outcome"}
    return {
        field: str(value)
        for line in lines
        for field, value in line.items()
        if field not in ours and words_of(value) & content
    }


async def test_a_call_of_human_speech_leaves_no_word_in_the_log(
    redis: Redis, tmp_path: Path, moonshine: Engine, lines: Lines
) -> None:
    without_drafts = GatewaySettings(drain_seconds=0, draft_after_ms=0)  # each final is logged
    async with pipeline(redis, tmp_path, moonshine, gateway=without_drafts) as it:
        async with calling(it.url, call_id="quiet", keywords=KEYWORDS) as (bridge, heard):
            await bridge.send('{"type":"dtmf","digit":"7"}')
            await stream(bridge, encode(speech(), Encoding.MULAW), frame=160, pace=2)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    content = words_of(" ".join([heard.text(), *KEYWORDS]))
    assert {"please", "zanzibar", "4929123456781234"} <= content
    assert {line["event"] for line in lines} >= {"call_started", "segment_settled"}
    assert leaked(lines, content) == {}


async def test_faults_leave_no_word_in_the_log(
    redis: Redis, valkey: ValkeyServer, tmp_path: Path, lines: Lines
) -> None:
    """A bridge that breaks its dialect, one that vanishes, an engine that fails, a Redis that dies."""

    def fault(one: Utterance) -> bool:
        return len(one.samples) > 32_000

    settings = GatewaySettings(drain_seconds=0, hold_seconds=2, max_bad_messages=1)
    async with pipeline(redis, tmp_path, LengthTeller(fault=fault), gateway=settings) as it:
        async with calling(it.url, call_id="broken", keywords=KEYWORDS) as (bridge, _):
            with pytest.raises(ConnectionClosed):
                await bridge.send(
                    f'{{"type":"dtmf","digit":"Zanzibar {NUMBER}","text":"Quillon tenths"}}'
                )
                await bridge.recv()
                while True:
                    await bridge.recv()
        async with calling(it.url, call_id="failing", keywords=KEYWORDS) as (bridge, heard):
            await stream(bridge, encode(speech(), Encoding.MULAW), frame=160, pace=8)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")
        async with calling(it.url, call_id="vanishing", keywords=KEYWORDS) as (bridge, heard):
            await stream(bridge, encode(speech()[:16_000], Encoding.MULAW), frame=160, pace=8)
            reset(bridge)
        valkey.kill()
        valkey.start()
        async with calling(it.url, call_id="after", keywords=KEYWORDS) as (bridge, heard):
            await stream(bridge, encode(speech()[:40_000], Encoding.MULAW), frame=160, pace=8)
            await bridge.send('{"type":"stop"}')
            await heard.until("call.ended")

    content = {"zanzibar", "quillon", "tenths", KEYWORDS[1], NUMBER}
    assert any(line["event"] == "segment_failed" for line in lines)
    assert leaked(lines, content) == {}


def test_fields_that_are_not_listed_are_removed_and_named() -> None:
    line = only_allowed(None, "info", {"event": "call_started", "call_id": "c1", "text": "my card"})

    assert line == {"event": "call_started", "call_id": "c1", "dropped": ["text"]}


def test_an_event_made_of_content_is_not_written() -> None:
    line = only_allowed(None, "info", {"event": "heard: my card is 4929"})

    assert line == {"event": "event_without_name"}


@pytest.mark.parametrize("line", [{"event": "heard", "text": "x"}, {"event": "heard: x"}])
def test_in_tests_a_log_line_with_content_raises(line: dict[str, Any]) -> None:
    with pytest.raises(FieldNotAllowedError):
        refuse_others(None, "info", line)


def test_a_library_is_quoted_by_place_only(lines: Lines) -> None:
    try:
        raise ValueError("my card is 4929123456781234")
    except ValueError:
        logging.getLogger("somelibrary").exception("could not read %s", "my card")

    (line,) = lines
    assert (line["library"], line["error"]) == ("somelibrary", "ValueError")
    assert "test_log_fields.py" in line["where"]
    assert "card" not in json.dumps(line)


def test_a_crash_is_logged_by_class_and_position() -> None:
    program = "from runtime.process import log_as_json\nlog_as_json('worker')\nint('my card 4929123456781234')\n"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )

    line = json.loads(done.stderr)
    assert done.returncode == 1
    assert (line["event"], line["error"], line["part"]) == ("crashed", "ValueError", "worker")
    assert "4929" not in done.stderr + done.stdout


def test_an_exception_group_is_logged_with_the_names_of_its_members(lines: Lines) -> None:
    try:
        raise ExceptionGroup("my card", [ValueError("4929"), OSError("1234")])
    except ExceptionGroup:
        logging.getLogger("somelibrary").exception("task failed")

    assert lines[0]["error"] == "ExceptionGroup(ValueError, OSError)"


@cache
def log_calls() -> tuple[tuple[str, ast.Call], ...]:
    """Every line of our code that logs, and where it stands. Reading all of it takes seconds."""
    return tuple(_log_calls())


def _log_calls() -> Iterator[tuple[str, ast.Call]]:
    verbs = {"debug", "info", "warning", "error", "critical", "exception"}
    for package in (
        "protocol",
        "streaming",
        "workers",
        "transcripts",
        "broker",
        "runtime",
        "cli",
        ".",
    ):
        pattern = "*.py" if package == "." else "**/*.py"
        for path in (ROOT / package).glob(pattern):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="logger"), attr=verb)) if verb in verbs:  # fmt: skip
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_line_that_logs_uses_fields_of_the_list() -> None:
    strange = {
        place: keyword.arg
        for place, call in log_calls()
        for keyword in call.keywords
        if keyword.arg not in FIELDS
    }

    assert strange == {}, "see runtime/log_fields.py before you add it"


def test_every_event_is_a_constant() -> None:
    made_up = [
        place for place, call in log_calls()
        if not (len(call.args) == 1 and isinstance(call.args[0], ast.Constant))
    ]  # fmt: skip

    assert len(log_calls()) > 30
    assert made_up == []
