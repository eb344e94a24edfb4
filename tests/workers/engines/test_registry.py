import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from workers.engines.auto import Environment
from workers.engines.base import EngineError
from workers.engines.declaration import Check, CheckState, Declaration
from workers.engines.registry import (
    DEFAULT,
    ENGINES,
    SETTINGS,
    automatic,
    load,
    loader,
    section_of,
)
from workers.engines.settings import EngineSettings

MUMBLE = Declaration("mumble", lambda _: Check("Mumble", CheckState.OK, "present"))
REPOSITORY = Path(__file__).parents[3]
PACKAGES = (
    "broker",
    "cli",
    "protocol",
    "runtime",
    "streaming",
    "transcripts",
    "workers",
    "trunkline.py",
)


def strings_of(module: Path) -> list[str]:
    """All string literals of a module but docstrings, and the names of what it imports."""
    tree = ast.parse(module.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                found.append(text)
            case ast.ImportFrom(module=str(name)):
                found.append(name)
            case _:
                pass
    return found


def modules_outside_the_engines() -> list[Path]:
    engines = REPOSITORY / "workers" / "engines"
    roots = [REPOSITORY / name for name in PACKAGES]
    modules = [one for root in roots for one in (root.rglob("*.py") if root.is_dir() else [root])]
    return [one for one in modules if engines not in one.parents]


def test_no_other_part_names_an_engine() -> None:
    named = re.compile(rf"\b({'|'.join(ENGINES)})\b", re.IGNORECASE)
    found = {
        f"{module.relative_to(REPOSITORY)}: {text!r}"
        for module in modules_outside_the_engines()
        for text in strings_of(module)
        if named.search(text)
    }

    assert not found, (
        "an engine declares what other parts must know: workers/engines/declaration.py"
    )


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_accepts_a_model_if_it_has_a_setting_for_it(name: str) -> None:
    declared = ENGINES[name]

    assert bool(declared.accepts) == ("model" in declared.settings.model_fields)


@pytest.mark.parametrize("name", ENGINES)
def test_the_settings_of_an_engine_have_a_section_that_the_environment_can_name(name: str) -> None:
    section = section_of(name)

    assert section.isidentifier()
    assert SETTINGS.get(section, EngineSettings) is ENGINES[name].settings


def test_one_engine_can_always_be_chosen() -> None:
    *_, last = automatic().values()

    assert last.obstacle(Environment(frozenset(), frozenset()), EngineSettings) is None


def test_the_default_is_an_engine() -> None:
    assert DEFAULT in ENGINES


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(
        EngineError, match=r"there is no engine 'mumble': choose one of .*moonshine"
    ):
        load("mumble")


def test_an_engine_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(EngineError, match=r"pip install 'trunkline\[mumble\]'"):
        loader("mumble", replace(MUMBLE, needs="trunkline[mumble]"))


@pytest.mark.parametrize("heavy", ["onnxruntime", "onnx", "torch", "faster_whisper"])
def test_knowing_the_engines_loads_none(heavy: str) -> None:
    asked = f"import sys, workers.engines.registry; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0
