"""`trunkline redact`: texts, stored calls, and policies with their tests."""

from pathlib import Path

import pytest

from protocol.events import CallStarted, Final, SegmentId, Span, Timing, Word
from protocol.events.event_codec import entry_of
from transcripts.outbox import Recorded
from transcripts.store import Store
from trunkline import main

LINES = "agent: your card number please\nit is 4738 2916\n0563 7481 thanks\nmy order is 5521\n"


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "call.txt"
    path.write_text(LINES)
    return str(path)


def test_a_text_is_redacted(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["redact", text]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "agent: your card number please",
        "it is [CARD_NUMBER]",
        "[CARD_NUMBER] thanks",
        "my order is 5521",
    ]


def test_a_dry_run_says_what_would_go(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["redact", text, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "would be left out: 2 card_number" in shown
    assert "4738" not in shown
    assert "5521" not in shown


def test_a_language_that_is_not_known_is_refused(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["redact", text, "--language", "ja"]) == 2
    assert "and not ja" in capsys.readouterr().err


@pytest.mark.parametrize(("shown", "status"), [("it is [CARD]", 0), ("it is nothing", 1)])
def test_a_policy_has_tests_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shown: str, status: int
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        '[tags]\ncard_number = "[CARD]"\n[[tests]]\nsaid = "it is 4738 2916 0563 7481"\n'
        f'shown = "{shown}"\n'
    )

    assert main(["redact", "--check", "--policy", str(policy)]) == status
    assert f"1 tests, {status} failed" in capsys.readouterr().out


def test_a_stored_call_is_redacted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    store = Store.open(url)
    words = tuple(map(Word, ("it", "is", "4738", "2916", "0563", "7481")))
    final = Final(SegmentId(0, 0), Span(0, 8_000), words, "en", 0, (), "engine", Timing(0, 0))
    started = CallStarted((), "en", "native", 0.0)
    store.record([Recorded("c1", entry_of(started, 1)), Recorded("c1", entry_of(final, 2))])

    assert main(["redact", "c1", "--store", url, "--dry-run"]) == 0
    before = store.transcript("c1")
    assert main(["redact", "c1", "--store", url]) == 0
    after = store.transcript("c1")
    assert main(["redact", "c1", "--store", url, "--dry-run"]) == 0
    store.close()

    assert before and before.segments[0].text == "it is 4738 2916 0563 7481"
    assert after and after.segments[0].text == "it is [CARD_NUMBER]"
    said = capsys.readouterr().out
    assert "4738" not in said
    assert said.splitlines()[-1] == "would be left out: nothing"


def test_a_stored_call_in_a_language_that_is_not_known_is_redacted_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'calls.db'}"
    store = Store.open(url)
    words = tuple(map(Word, ("kortti", "4738", "2916", "0563", "7481")))
    final = Final(SegmentId(0, 0), Span(0, 8_000), words, "fi", 0, (), "engine", Timing(0, 0))
    store.record([Recorded("c1", entry_of(final, 1))])
    store.close()

    assert main(["redact", "c1", "--store", url, "--dry-run"]) == 0

    said = capsys.readouterr()
    assert "kortti [CARD_NUMBER]" in said.out
    assert "c1: in fi, only written digits are found" in said.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["redact"], "say which FILE or CALL"),
        (["redact", "--check", "--policy", "missing.toml"], "missing.toml cannot be read"),
    ],
)
def test_errors_say_what_to_do(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err
