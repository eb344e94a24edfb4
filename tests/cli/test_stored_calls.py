"""Commands for stored calls, as a user starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.arguments import grammar
from cli.call_source import local_calls
from protocol.calls.call import Role
from protocol.events import (
    CallEnded,
    CallStarted,
    Final,
    LoggedEvent,
    SegmentId,
    Span,
    Timing,
    Word,
)
from protocol.events.event_codec import entry_of
from transcripts.outbox import Recorded
from transcripts.store import Store
from trunkline import main

ROOT = Path(__file__).parents[2]

IMPORTED = """
import sys
from trunkline import main
try:
    main({arguments})
except SystemExit:
    pass
print(*{{name.partition(".")[0] for name in sys.modules}}, file=sys.stderr)
"""


def said(text: str, number: int) -> Final:
    words = tuple(map(Word, text.split()))
    span = Span(number * 16_000, number * 16_000 + 8_000)
    return Final(SegmentId(0, number), span, words, "en", 0, (), "e", Timing(1, 2))


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two calls in the store of the user."""
    for name in list(os.environ):
        if name.startswith("TRUNKLINE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "trunkline"
    folder.mkdir()
    url = f"sqlite:///{folder / 'trunkline.db'}"
    store = Store.open(url)
    for number, text in enumerate(("the invoice is overdue", "thank you, goodbye")):
        started = CallStarted((Role.AGENT,), "en", "twilio", 1_700_000_000.0 + number)
        events: tuple[LoggedEvent, ...] = (
            started,
            said(text, 0),
            said("and more", 1),
            CallEnded("hangup", 32_000, 2, ()),
        )
        store.record(
            [Recorded(f"c{number}", entry_of(one, seq)) for seq, one in enumerate(events, 1)]
        )
    store.close()
    return url


def output(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main(arguments) == status
    return capsys.readouterr().out


def test_calls_are_listed_and_found(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = output(capsys, "calls")
    found = output(capsys, "search", "invoice")
    none = output(capsys, "search", "nobody")

    assert [line.split()[-1] for line in listed.splitlines()] == ["c1", "c0"]
    assert "the invoice is overdue" in found
    assert none == ""


def test_json_is_that_of_the_api(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(output(capsys, "calls", "--json", "--limit", "1"))
    more = json.loads(output(capsys, "calls", "--json", "--cursor", listed["next_cursor"]))
    shown = json.loads(output(capsys, "show", "c0", "--json"))

    assert [one["call_id"] for one in listed["calls"] + more["calls"]] == ["c1", "c0"]
    assert (shown["segments"], shown["status"]) == (2, "ended")


def test_a_call_is_exported_to_a_file(
    store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output(capsys, "export", "c0", "--format", "md", "--output", str(tmp_path / "c0.md"))

    assert "the invoice is overdue" in (tmp_path / "c0.md").read_text()


def test_tags_are_added_and_removed(store_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "tag", "c0", "vip", "late", "--agent", "ann")
    output(capsys, "tag", "c0", "--", "-late")

    shown = json.loads(output(capsys, "show", "c0", "--json"))
    assert (shown["tags"], shown["agent"]) == (["vip"], "ann")
    assert [one["call_id"] for one in json.loads(output(capsys, "calls", "--tag", "vip", "--json"))["calls"]] == ["c0"]  # fmt: skip


def test_a_call_is_deleted_unless_it_is_under_legal_hold(
    store_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    output(capsys, "tag", "c0", "--legal-hold", "on")
    output(capsys, "delete", "c0", "c1", status=1)

    assert [line.split()[-1] for line in output(capsys, "calls").splitlines()] == ["c0"]
    store = Store.open(store_url)
    assert [one.line.action for one in store.audited(call_id="c1")] == ["delete"]
    assert store.audited(call_id="c1")[0].line.who.startswith("command line:")
    store.close()


@pytest.mark.parametrize(
    "arguments", [["calls", "--limit", "0"], ["search", '""'], ["calls", "--from", "soon"]]
)
def test_a_wrong_filter_is_told_in_one_line(
    store_url: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_reader_that_has_enough_is_no_error(store_url: str) -> None:
    code = "import sys; from trunkline import main; sys.exit(main(['calls']))"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaints = process.stderr.read()

    assert (process.returncode, complaints) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "too_slow"),
    [
        (["--help"], {"numpy", "sqlalchemy", "pydantic", "redis", "rich", "structlog"}),
        (["show"], {"numpy", "alembic", "starlette", "redis", "websockets", "onnxruntime", "av"}),
        (["calls"], {"numpy", "alembic", "starlette", "redis", "websockets", "onnxruntime", "av"}),
    ],
)
def test_a_command_imports_only_what_it_needs(
    store_url: str, arguments: list[str], too_slow: set[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(arguments=arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )

    assert too_slow & set(done.stderr.split()) == set()


@pytest.mark.parametrize(
    "arguments", [["demo"], ["show"], ["redact", "c1"], ["search", "invoice"]], ids=" ".join
)
@pytest.mark.usefixtures("store_url")
def test_a_command_opens_the_store_of_the_user_when_nothing_is_configured(
    arguments: list[str],
) -> None:
    """Also a command without the option `--store`: `make demo` shows its call in the end."""
    with local_calls(grammar(arguments).parse_args(arguments)) as calls:
        assert [name for _, name in calls.latest(2)] == ["c1", "c0"]
