"""
Mutants of the Lua scripts: one line of a script is dropped, or one comparison turned round.

The tests of the queue must fail.

Prints each mutant that survives, and the score.  Works on a copy of the tree, so that nothing is left behind.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe

_ROOT = Path(__file__).parent.parent
_SCRIPTS = sorted(
    str(one.relative_to(_ROOT)) for one in (_ROOT / "broker/redis_scripts/lua").glob("*.lua")
)
_TESTS = (
    "tests/workers/test_drafts.py",
    "tests/broker/test_script_rules.py",
    "tests/workers/test_job_queue.py",
    "tests/workers/test_broken_keys.py",
    "tests/workers/test_leases.py",
    "tests/workers/test_routing.py",
)
_SECONDS = 120
"""A mutant that keeps the tests waiting for so long is dead."""

_TYPE_FIRST = "the first command of the script fails for a key of a wrong type, before any write"
_EQUIVALENT = {
    ("adopt", "if no then return no end"): _TYPE_FIRST,
    ("extend", "if no then return no end"): _TYPE_FIRST,
    ("hand_back", "if no then return no end"): _TYPE_FIRST,
    ("heartbeat", "if no then return no end"): "ZADD is the only write, and fails itself",
    ("join", "if no then return no end"): "XGROUP CREATE is the only write, and fails itself",
    ("join", "if made.err and not string.match(made.err, 'BUSYGROUP') then return made end"): (
        "XGROUP CREATE fails only for a key of a wrong type, which is checked before, or a group that exists"
    ),
    ("pass_on", "if no then return no end"): "XPENDING and XADD fail before the first write",
    ("probe", "if no then return no end"): "XINFO STREAM fails, and XGROUP CREATE writes nothing",
    ("resend", "if no then return no end"): _TYPE_FIRST,
}
"""Dropped lines, by script, that no test can miss, each with its reason.  They are not tried."""

_WRITES = re.compile(
    r"^\s*(redis\.p?call\(|replace_broken\(|alive\(|append\(|release\("
    r"|if .* then .* end$|for .* do .* end$)"
)
_TURNED = {"==": "~=", "~=": "==", "<": ">=", ">=": "<", ">": "<="}
_COMPARISON = re.compile(r" (==|~=|<=|>=|<|>) ")


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Line number, what was done, and the whole text with that done."""
    lines = source.splitlines(keepends=True)
    for at, line in enumerate(lines):
        if _WRITES.match(line):
            yield at + 1, f"dropped: {line.strip()}", "".join([*lines[:at], *lines[at + 1 :]])
        if "redis." in line or line.lstrip().startswith(("if ", "return ")):
            for found in _COMPARISON.finditer(line):
                if (turned := _TURNED.get(found[1])) and not line.startswith("--"):
                    text = f"{line[: found.start(1)]}{turned}{line[found.end(1) :]}"
                    yield (
                        at + 1,
                        f"turned: {text.strip()}",
                        "".join([*lines[:at], text, *lines[at + 1 :]]),
                    )


def survives(copy: Path) -> bool:
    """Whether all tests pass in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *_TESTS]
    try:
        run = subprocess.run(
            command,
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def main() -> int:
    """A sample of all mutants, chosen by the seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="so many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these scripts")
    options = parser.parse_args()
    found = [
        (name, *one)
        for name in _SCRIPTS
        for one in mutants((_ROOT / name).read_text())
        if (options.only is None or Path(name).stem in options.only)
        and (Path(name).stem, one[1].removeprefix("dropped: ")) not in _EQUIVALENT
    ]
    if options.sample:
        found = random.Random(options.seed).sample(found, min(options.sample, len(found)))
    killed = 0
    with tempfile.TemporaryDirectory(prefix="trunkline-mutants-") as folder:
        copy = Path(folder) / "tree"
        skipped = shutil.ignore_patterns(".venv*", ".git", "__pycache__", ".mypy_cache")
        shutil.copytree(_ROOT, copy, ignore=skipped, symlinks=True)
        assert survives(copy), "the tests must pass before anything is changed"
        for name, line, what, text in found:
            original = (copy / name).read_text()
            (copy / name).write_text(text)
            if survives(copy):
                print(f"survived: {name}:{line} {what}", flush=True)
            else:
                killed += 1
            (copy / name).write_text(original)
    equivalent = f"{len(_EQUIVALENT)} equivalent ones left out"
    print(f"{killed} of {len(found)} mutants killed, {equivalent}, seed {options.seed}")
    print(recipe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
