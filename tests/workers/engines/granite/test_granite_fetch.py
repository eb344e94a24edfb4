"""The model of the Granite engine is fetched at a pinned commit, and its files are compared with known hashes."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.hub import hub
from support.shell import ROOT, clean

from workers.engines.common.checkpoint import parsed
from workers.engines.granite.pins import FAMILY
from workers.engines.granite.settings import DEFAULT_MODEL

PIN = FAMILY.pins[DEFAULT_MODEL]


def fetch(url: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **clean(),
        "HF_ENDPOINT": url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRUNKLINE_GRANITE_CACHE": str(folder),
        **{f"TRUNKLINE_GRANITE_{name}": value for name, value in settings.items()},
    }
    return subprocess.run(
        [sys.executable, "-m", "trunkline", "fetch", "granite"],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def sums(folder: Path, tmp_path: Path) -> Path:
    """The hashes of the files of a folder, as `sha256sum` prints them."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in folder.iterdir()
    ]
    path = tmp_path / "sums"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def manifest(tiny: Path, tmp_path: Path) -> Path:
    """The hashes of the tiny checkpoint."""
    return sums(tiny, tmp_path)


def test_a_model_is_fetched_at_its_pinned_commit_without_a_setting(
    tiny: Path, tmp_path: Path, manifest: Path
) -> None:
    with hub(DEFAULT_MODEL, PIN.revision, tiny) as url:
        done = fetch(url, tmp_path / "cache", MANIFEST=str(manifest))

    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder.name == PIN.revision
    assert {one.name for one in folder.iterdir()} == {one.name for one in tiny.iterdir()}


def test_a_download_that_breaks_off_continues_there_with_a_progress_bar(
    tiny: Path, tmp_path: Path
) -> None:
    served, asked = shutil.copytree(tiny, tmp_path / "served"), list[str]()
    large = served / "merges.txt"
    large.write_bytes(bytes(24_000_000))  # the client keeps pieces of 10 MiB
    with hub(DEFAULT_MODEL, PIN.revision, served, {large.name}, asked) as url:
        done = fetch(url, tmp_path / "cache", MANIFEST=str(sums(served, tmp_path)))

    assert done.returncode == 0, done.stderr
    assert [one for one in asked if one.startswith(large.name)] == [
        large.name, f"{large.name} bytes={10 << 20}-",
    ]  # fmt: skip
    assert (Path(done.stdout.strip()) / large.name).read_bytes() == large.read_bytes()
    assert "100%" in done.stderr


def test_a_later_fetch_asks_only_for_the_files_that_are_not_complete(
    tiny: Path, tmp_path: Path, manifest: Path
) -> None:
    asked = list[str]()
    with hub(DEFAULT_MODEL, PIN.revision, tiny, asked=asked) as url:
        first = fetch(url, tmp_path / "cache", MANIFEST=str(manifest))
        lost = Path(first.stdout.strip()) / "tokenizer.json"
        lost.resolve().unlink()
        lost.unlink()
        asked.clear()
        second = fetch(url, tmp_path / "cache", MANIFEST=str(manifest))

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert asked == ["tokenizer.json"]


def test_a_file_that_the_list_of_known_hashes_lacks_is_not_fetched(
    tiny: Path, tmp_path: Path
) -> None:
    served = tmp_path / "served"
    shutil.copytree(tiny, served)
    (served / "later.json").write_text("{}")
    with hub(DEFAULT_MODEL, PIN.revision, served) as url:
        fetch(url, tmp_path / "cache")

    names = {one.name for one in (tmp_path / "cache").rglob("snapshots/*/*")}
    assert "config.json" in names
    assert "later.json" not in names


def test_other_files_than_the_pinned_ones_are_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    with hub(DEFAULT_MODEL, PIN.revision, tiny) as url:
        done = fetch(url, tmp_path / "cache")

    assert done.returncode == 2
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("trunkline: ")]
    assert any(name in line for name in FAMILY.hashes_of(DEFAULT_MODEL, None) or ())


def test_the_hashes_hold_for_the_pinned_commit_only() -> None:
    known = FAMILY.hashes_of(DEFAULT_MODEL, None)

    assert known == FAMILY.hashes_of(DEFAULT_MODEL, PIN.revision)
    assert known is not None
    assert {"config.json", "tokenizer.json", "multilingual_sample.wav"} <= known.keys()
    assert {"README.md", ".gitattributes"}.isdisjoint(known)
    assert all(len(digest) == 64 for digest in known.values())
    assert FAMILY.hashes_of(DEFAULT_MODEL, "0" * 40) is None
    assert FAMILY.hashes_of("somebody/else", None) is None


def test_a_revision_that_is_set_wins_and_other_models_have_none() -> None:
    assert FAMILY.revision_of(DEFAULT_MODEL, None) == PIN.revision
    assert FAMILY.revision_of(DEFAULT_MODEL, "0" * 40) == "0" * 40
    assert FAMILY.revision_of("somebody/else", None) is None


def test_a_manifest_is_read_as_sha256sum_prints_it() -> None:
    assert parsed("# a comment\nAB  one.json\ncd *./two.json\n\n") == {
        "one.json": "ab",
        "two.json": "cd",
    }
