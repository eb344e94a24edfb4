"""The command `mcp`: what it says when it cannot serve."""

import pytest

from trunkline import main


def test_without_the_url_of_an_api_it_says_what_to_give(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRUNKLINE_CLIENT_URL", raising=False)
    assert main(["mcp"]) == 2
    assert "--url http://127.0.0.1:8083" in capsys.readouterr().err
