"""What a base install and the start of a command must not carry."""

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LIBRARIES = frozenset(
    {"alembic", "cryptography", "httpcore", "jiwer", "numpy", "onnxruntime", "phonenumbers", "pydantic", "rapidfuzz"}
    | {"redis", "rich", "sqlalchemy", "starlette", "structlog", "torch", "transformers", "uvicorn", "websockets"}
)  # fmt: skip
EXTRA_ONLY = frozenset(
    {"av", "ctranslate2", "faster-whisper", "hf-xet", "huggingface-hub", "jsonschema", "matplotlib", "mcp", "onnx"}
    | {"phonenumbers", "presidio-analyzer", "psycopg", "safetensors", "sympy", "tokenizers", "torch", "transformers"}
)  # fmt: skip
"""Packages of more than a few megabytes that only an extra needs."""


def loaded(program: str) -> frozenset[str]:
    """The packages that `program` has imported at its end."""
    shown = f"import sys\ntry:\n    {program}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return frozenset(name.partition(".")[0] for name in done.stdout.splitlines()[-1].split())


def base_packages() -> set[str]:
    """The dependencies of a base install on this machine, with theirs."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting, found = list(table["dependencies"]), set[str]()
    while waiting:
        one = Requirement(waiting.pop())
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        if (name := canonicalize_name(one.name)) not in found:
            found.add(name)
            waiting += _requires(name)
    return found


def _requires(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def test_help_loads_no_library() -> None:
    program = "import trunkline; trunkline.main(['--help'])"

    assert LIBRARIES & loaded(program) == set()


@pytest.mark.parametrize(
    ("module", "unused"),
    [
        ("workers.engines.moonshine.constant_folding", {"onnx"}),
        ("cli.commands.up", {"jiwer", "numpy", "redis", "sqlalchemy", "websockets"}),
        ("cli.commands.services", {"numpy", "onnxruntime", "sqlalchemy"}),
        ("cli.commands.services, streaming.server", {"jiwer", "onnxruntime", "sqlalchemy"}),
        pytest.param(
            "cli.commands.services, transcripts.recorder",
            {"numpy", "onnxruntime", "uvicorn"},
            marks=pytest.mark.long,
        ),
        pytest.param(
            "cli.commands.services, transcripts.api.server",
            {"numpy", "onnxruntime"},
            marks=pytest.mark.long,
        ),
        ("cli.commands.services, workers.worker", {"alembic", "sqlalchemy", "starlette"}),
    ],
)
def test_a_part_loads_no_library_of_the_others(module: str, unused: set[str]) -> None:
    assert unused & loaded(f"import {module}") == set()


def test_a_base_install_has_nothing_that_only_an_extra_needs() -> None:
    assert EXTRA_ONLY & base_packages() == set()
