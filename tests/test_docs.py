"""Check the documents against the code."""

import dataclasses
import json
import re
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from redis.asyncio import Redis

from protocol.calls.call import Role
from protocol.dialects import registry
from protocol.dialects.base import Request
from protocol.events import Partial, TranscriptEvent
from protocol.events.event_codec import EventJsonWriter, entry_of
from transcripts.api.server import Api
from transcripts.api.settings import ApiSettings
from transcripts.store import Store
from workers.engines.registry import ENGINES

ROOT = Path(__file__).parent.parent


def test_the_page_of_settings_is_what_the_code_says() -> None:
    """`python docs/make_settings.py` writes it anew."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_settings.py", "--check"], check=False
    )

    assert done.returncode == 0, (
        "docs/settings.md is not what the code says: run `python docs/make_settings.py` and commit the page."
    )


def table_rows(page: str) -> list[str]:
    return [line for line in (ROOT / page).read_text().splitlines() if line.startswith("|")]


@pytest.mark.parametrize("path", registry.paths())
def test_a_registered_dialect_is_recorded_and_documented(path: str) -> None:
    name = registry.open_dialect(Request(path)).name
    recorded = ROOT / "tests" / "protocol" / "dialects" / "recorded" / f"{name}.jsonl"

    assert recorded.exists(), (
        f"The dialect {name!r} has no recorded conversation: add {recorded.relative_to(ROOT)} "
        "(docs/contributing/dialect.md, step 3)."
    )
    assert any(f"`{path}`" in row for row in table_rows("docs/bridges.md")), (
        f"The dialect {name!r} has no row with `{path}` in the table of docs/bridges.md: add it "
        "(docs/contributing/dialect.md, step 6)."
    )
    assert any(name in row.split("|")[1].lower() for row in table_rows("README.md")), (
        f"The dialect {name!r} is in no row of the table of bridges in README.md: add it "
        "(docs/contributing/dialect.md, step 7)."
    )


async def test_every_operation_of_the_api_has_its_row(redis: Redis, tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'store.db'}")
    rows = " ".join(row for row in table_rows("docs/api.md"))
    for one in Api(redis, 1, store, ApiSettings()).operations:
        path = re.sub(r"transcript\.\w+", "transcript.{form}", one.path)
        shown = re.sub(r"{\w+_id}", "{id}", path)
        ending = f"`/{shown.rpartition('/')[2]}`"
        assert f"`{one.method} {shown}" in rows or ending in rows, (
            f"{one.method} {shown} has no row in docs/api.md (docs/contributing/api-operation.md, step 5)."
        )
    store.close()


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_has_its_row_in_the_readme(name: str) -> None:
    assert any(row.startswith(f"| `{name}`") for row in table_rows("README.md")), (
        f"The engine {name!r} has no row in the table of engines in README.md: add it "
        "(docs/contributing/engine.md, step 8)."
    )


def smallest(kind: Any) -> Any:
    """A value of a field's type; dataclasses get the fields that have no default."""
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(  # type: ignore[operator]
            **{
                field.name: smallest(hints[field.name])
                for field in dataclasses.fields(kind)
                if field.default is dataclasses.MISSING
            }
        )
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return (getattr(kind, "__origin__", None) or kind)()


@pytest.mark.parametrize("kind", get_args(TranscriptEvent), ids=lambda kind: kind.__name__)
def test_an_event_type_is_in_the_native_protocol(kind: type) -> None:
    entry = entry_of(smallest(kind), None if kind is Partial else 1)
    public = json.loads(EventJsonWriter("c", [Role.AGENT]).write(entry))["type"]

    assert any(
        row.startswith(f"| `{public}` |") for row in table_rows("docs/native-protocol.md")
    ), (
        f"The event type {public!r} has no row in the table of events in docs/native-protocol.md: "
        "add it (docs/contributing/event-field.md)."
    )


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name
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
