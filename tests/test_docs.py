"""Documents that can be checked against the code are."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.dialects import registry

ROOT = Path(__file__).parent.parent


def test_the_page_of_settings_is_what_the_code_says() -> None:
    """`python docs/make_settings.py` writes it anew."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_settings.py", "--check"], check=False
    )

    assert done.returncode == 0


def test_every_bridge_has_its_place_in_the_documents() -> None:
    bridges = (ROOT / "docs" / "bridges.md").read_text()

    assert [path for path in registry.paths() if f"`{path}`" not in bridges] == []


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_what_the_page_on_reliability_names_is_there() -> None:
    named = re.findall(
        r"`((?:[a-z_]+/)*[a-z_]+\.py)`", (ROOT / "docs" / "reliability.md").read_text()
    )

    assert len(named) > 40
    assert [
        name for name in named if not ((ROOT / "tests" / name).exists() or (ROOT / name).exists())
    ] == []


def test_the_readme_names_the_two_commands_first() -> None:
    screen = (ROOT / "README.md").read_text().splitlines()[:20]

    assert any(line.startswith("make demo") for line in screen)
    assert any(line.startswith("make test") for line in screen)


def test_the_snippets_for_jambonz_have_only_fields_that_its_validator_takes() -> None:
    """As in @jambonz/schema 0.4.15, which refuses all others: an application with one ends the call."""
    taken = {
        "listen": {"verb", "url", "mixType", "sampleRate", "metadata", "passDtmf", "wsAuth"},
        "transcribe": {"verb", "transcriptionHook", "recognizer", "earlyMedia", "channel"},
        "recognizer": {"vendor", "language", "interim", "hints", "hintsBoost", "customOptions"},
        "customOptions": {"authToken", "uri", "sampleRate", "options"},
        "options": None,
    }
    page = (ROOT / "docs" / "bridges.md").read_text()
    snippets = [json.loads(text) for text in re.findall(r'\{"verb":.*?\}(?=`|\n```)', page, re.S)]

    def strange(name: str, body: object) -> list[str]:
        known = taken.get(name)
        if known is None or not isinstance(body, dict):
            return []
        inner = [one for field, value in body.items() for one in strange(field, value)]
        return [f"{name}.{field}" for field in body if field not in known] + inner

    assert [snippet["verb"] for snippet in snippets] == ["listen", "transcribe"]
    assert [one for snippet in snippets for one in strange(snippet["verb"], snippet)] == []
