"""The commands for stored calls, at an API process on another machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from support.ports import free_port
from support.shell import ROOT, bash, clean
from support.valkey import ValkeyServer
from support.waiting import wait_until

from cli import keys
from protocol.auth.credentials import Scope
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


@dataclass(frozen=True, slots=True)
class Remote:
    """An API process: its URL, and keys of acme: one for everything, one for reading."""

    url: str
    key: str
    reader: str
    store_url: str


class Ask(Protocol):
    """Runs a command; returns what it printed."""

    def __call__(self, command: str, *arguments: str, status: int = 0, key: str = "") -> str: ...


def filled(url: str) -> None:
    store = Store.open(url)
    for number, text in enumerate(("the invoice is overdue", "thank you, goodbye")):
        words = tuple(map(Word, text.split()))
        said = Final(SegmentId(0, 0), Span(0, 8_000), words, "en", 0, (), "e", Timing(1, 2))
        started = CallStarted((Role.AGENT,), "en", "twilio", 1_700_000_000.0 + number)
        for name in (f"acme/c{number}", f"globex/other{number}"):
            events: tuple[LoggedEvent, ...] = (started, said, CallEnded("hangup", 32_000, 1, ()))
            store.record([Recorded(name, entry_of(one, seq)) for seq, one in enumerate(events, 1)])
    store.close()


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    folder = tmp_path_factory.mktemp("api")
    store_url, port = f"sqlite:///{folder / 'store.db'}", free_port()
    filled(store_url)
    file = folder / "keys"
    admin, reader = (
        keys.create(file, owner="acme", scopes=(scope,), days=None, note="", now=0.0)
        for scope in (Scope.ADMIN, Scope.READ)
    )
    with ValkeyServer(folder / "valkey.sock") as valkey:
        command = [sys.executable, "-m", "trunkline", "api", "--port", str(port)]
        command += ["--store", store_url, "--keys-file", str(file)]
        environment = clean() | {"TRUNKLINE_REDIS_URL": valkey.url}
        with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                _answers(url, process)
                yield Remote(url, admin, reader, store_url)
            finally:
                process.terminate()


def _answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the API listens."""

    def answers() -> bool:
        assert process.poll() is None, "the API did not start"
        try:
            return httpx.get(f"{url}/livez").status_code > 0
        except httpx.ConnectError:
            return False

    wait_until(answers)


@pytest.fixture
def ask(
    remote: Remote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Ask:
    """Run a command with the URL and the key; returns what it printed."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # no store there
    (tmp_path / "key").write_text(remote.key)

    def run(command: str, *arguments: str, status: int = 0, key: str = "") -> str:
        said = key or f"@{tmp_path / 'key'}"
        assert main([command, "--url", remote.url, "--key", said, *arguments]) == status
        printed = capsys.readouterr()
        assert not (tmp_path / "trunkline").exists()
        return printed.out if status == 0 else printed.err

    return run


def test_calls_are_listed_searched_shown_and_exported(ask: Ask, tmp_path: Path) -> None:
    listed = ask("calls")
    first = json.loads(ask("calls", "--limit", "1", "--json"))
    rest = json.loads(ask("calls", "--json", "--cursor", first["next_cursor"]))
    found = ask("search", "invoice")
    ask("export", "c0", "--format", "md", "--output", str(tmp_path / "c0.md"))

    assert [line.split()[-1] for line in listed.splitlines()] == ["c1", "c0"]
    assert [one["call_id"] for one in first["calls"] + rest["calls"]] == ["c1", "c0"]
    assert "the invoice is overdue" in found
    assert "the invoice is overdue" in (tmp_path / "c0.md").read_text()
    assert ask("show", "c1") == "[00:00] agent: thank you, goodbye\n"
    assert ask("show") == listed
    assert json.loads(ask("show", "c1", "--json"))["words"] == 3


def test_calls_are_tagged_held_and_deleted(ask: Ask, remote: Remote) -> None:
    ask("tag", "c0", "vip", "late", "--agent", "ann", "--legal-hold", "on")
    ask("tag", "c0", "--", "-late")
    kept = ask("delete", "c0", status=1)
    shown = json.loads(ask("show", "c0", "--json"))
    ask("tag", "c0", "--legal-hold", "off")
    ask("delete", "c0")

    assert (shown["tags"], shown["agent"]) == (["vip"], "ann")
    assert "c0: this call is under legal hold" in kept
    assert "c0" not in ask("calls")
    store = Store.open(remote.store_url)
    assert {one.call_id for one in store.calls()} == {"acme/c1", "globex/other0", "globex/other1"}
    store.close()
    filled(remote.store_url)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "other0"), "no such call"),
        (("show", "nobody"), "no such call"),
        (("calls", "--from", "soon"), "from and to are"),
        (("search", '""'), "q has no words"),
        (("calls", "--tenant", "globex"), "the key names the tenant"),
    ],
)
def test_what_the_api_refuses_is_told_in_one_line(
    ask: Ask, arguments: tuple[str, ...], sentence: str
) -> None:
    said = ask(*arguments, status=2)

    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_key_that_does_not_suffice_is_told(ask: Ask, remote: Remote) -> None:
    assert "not valid: see --key" in ask("calls", status=2, key="tk_wrong")
    assert "does not permit" in ask("delete", "c1", status=1, key=remote.reader)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nonsense"])
def test_a_wrong_url_is_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls", "--url", url]) == 2
    assert url in capsys.readouterr().err


def test_url_and_key_can_be_settings(remote: Remote, tmp_path: Path) -> None:
    done = bash(
        f"export TRUNKLINE_CLIENT_URL={remote.url} TRUNKLINE_CLIENT_KEY={remote.key}\n"
        "trunkline show c1 && trunkline calls --store sqlite:///$XDG_DATA_HOME/own.db",
        tmp_path,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "[00:00] agent: thank you, goodbye\n"
