"""`trunkline bench`, started as an operator starts it."""

import json
from pathlib import Path

import pytest
from support.shell import bash

from cli.bench import report
from cli.bench.percentiles import parse_slo
from cli.bench.report import Capacity

_ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.long
def test_a_gateway_is_measured_beside_the_socket_itself_and_loses_nothing(tmp_path: Path) -> None:
    command = "trunkline bench --calls 2 --warm-up 3 --seconds 3"

    done = bash(f"{command} --json {tmp_path}/found.json --plot {tmp_path}/found.png", tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    rows = {row["server"]: row for row in found["rows"]}
    assert {"websockets", "gateway"} <= set(rows)
    assert rows["gateway"]["accepted"] == 2
    assert rows["gateway"]["lost"] == []
    assert rows["gateway"]["lag"]["count"] > 0
    assert rows["gateway"]["us_per_frame"] > 0
    assert rows["gateway"]["by_command"]
    assert rows["websockets"]["lag"] == {"p50": None, "p95": None, "p99": None, "count": 0}
    assert found["recipe"]["command"].startswith("trunkline bench --calls 2")
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert "x sink" in done.stdout


@pytest.mark.long
def test_another_checkout_is_measured_beside_this_one(tmp_path: Path) -> None:
    command = f"trunkline bench --tree other={_ROOT} --calls 1 --no-sink --warm-up 3 --seconds 2"

    done = bash(f"{command} --json {tmp_path}/found.json", tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [(row["server"], row["accepted"]) for row in rows] == [("other", 1), ("gateway", 1)]


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ("--slo 'p99 lag'", "is not an objective: write 'p99 lag < 20 ms'"),
        pytest.param(
            "--url wss://example.com", "the generator needs ws://HOST:PORT", marks=pytest.mark.long
        ),
        pytest.param("--audio absent.wav", "absent.wav", marks=pytest.mark.long),
        pytest.param("--calls 0", "at least 1", marks=pytest.mark.long),
        ("--tree gateway=. --no-sink", "--tree: each needs a name of its own"),
    ],
)
def test_a_slip_is_told_before_anything_starts(flags: str, complaint: str, tmp_path: Path) -> None:
    done = bash(f"trunkline bench {flags}", tmp_path)

    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_the_settings_leave_headroom_below_the_smallest_capacity() -> None:
    slo = parse_slo("p99 lag < 20 ms")

    text = report.settings(
        [Capacity("gateway", "native", slo, 100), Capacity("gateway", "twilio", slo, 50)]
    )

    assert text.splitlines()[:2] == [
        "[gateway]",
        "max_calls = 40    # 80% of the 50 calls (twilio) that met p99 lag < 20 ms",
    ]
    assert report.settings([Capacity("gateway", "native", slo, 0)]) == ""


def test_the_settings_of_several_processes_are_for_each() -> None:
    slo = parse_slo("p99 lag < 20 ms")
    pair = Capacity("gateway of 2", "native", slo, 150, processes=2)

    text = report.settings([Capacity("gateway", "native", slo, 100), pair])

    assert "max_calls = 60 " in text
    assert "150 calls (native) of 2 processes" in text
