"""
Mutants of the pure Python code that decides about calls, by cosmic-ray; the fast tests of each module must fail.

    python -m venv /tmp/mutants && /tmp/mutants/bin/pip install cosmic-ray
    python bench/code_mutants.py --cosmic-ray /tmp/mutants/bin/cosmic-ray --sample 120

Works on a copy of the tree.  Prints each mutant that survives, and the score of each module.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.recipe import recipe

_ROOT = Path(__file__).parent.parent
_CALL = (
    "tests/streaming/call/test_call_rules.py",
    "tests/streaming/call/test_ledger.py",
    "tests/streaming/call/test_recovery.py",
)
_EVENTS = ("tests/protocol/test_event_codec.py", *_CALL)
_CODECS = ("tests/protocol/codecs",)
_TESTS = {
    "protocol/codecs/decoder.py": _CODECS,
    "protocol/codecs/frames.py": _CODECS,
    "protocol/codecs/ogg.py": _CODECS,
    "protocol/events/event_codec.py": _EVENTS,
    "protocol/events/__init__.py": _EVENTS,
    "protocol/scheduling/jobs.py": ("tests/workers/test_routing.py",),
    "protocol/calls/keywords.py": ("tests/protocol/test_keywords.py",),
    "streaming/call/ledger.py": _CALL,
    "streaming/call/call.py": _CALL,
    "streaming/call/call_events.py": _CALL,
    "streaming/call/segments/call_segments.py": (
        "tests/streaming/call/segments/test_draft_requests.py",
        *_CALL,
    ),
    "streaming/call/recovery.py": _CALL,
    "streaming/call/checkpoint.py": ("tests/streaming/session/test_taken_over.py", *_CALL),
    "streaming/overload/gateway_load.py": ("tests/streaming/call/test_gateway_load.py",),
    "streaming/overload/load_shedding.py": ("tests/streaming/call/test_load_shedding.py",),
    "streaming/audio/endpointing.py": ("tests/streaming/audio/test_endpointing.py",),
}
"""The tests that judge each module."""

_SECONDS = 120
"""A mutant that keeps the tests waiting for so long is dead."""


def configuration(module: str) -> str:
    """The configuration file of cosmic-ray for one module."""
    tests = " ".join(_TESTS[module])
    command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider {tests}"
    return (
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {_SECONDS}\nexcluded-modules = []\n'
        f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )


def cosmic_ray(program: str, copy: Path, *arguments: str) -> str:
    """Run it in the copy.  Returns what it printed."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [program, *arguments]
    run = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout


def thin_out(session: Path, kept: set[str]) -> None:
    """Delete all other mutants of a session."""
    with closing(sqlite3.connect(session)) as database:
        for (job,) in database.execute("SELECT job_id FROM work_items").fetchall():
            if job not in kept:
                for table in ("mutation_specs", "work_items"):
                    database.execute(f"DELETE FROM {table} WHERE job_id = ?", (job,))
        database.commit()


def jobs(session: Path) -> list[str]:
    """The mutants of a session, in a fixed order: their ids are random."""
    with closing(sqlite3.connect(session)) as database:
        query = (
            "SELECT job_id FROM mutation_specs ORDER BY operator_name, occurrence, start_pos_row, "
            "start_pos_col"
        )
        return [job for (job,) in database.execute(query)]


def survivors(program: str, copy: Path, session: Path) -> tuple[int, list[str]]:
    """How many mutants were tried, and those that all tests passed."""
    lines = cosmic_ray(program, copy, "dump", str(session)).splitlines()
    pairs: list[Any] = [json.loads(line) for line in lines]
    alive = []
    for item, result in pairs:
        if result and result["test_outcome"] == "survived":
            mutation = item["mutations"][0]
            where = f"{mutation['module_path']}:{mutation['start_pos'][0]}"
            operator = mutation["operator_name"].removeprefix("core/")
            changed = [
                line
                for line in (result["diff"] or "").splitlines()
                if line.startswith(("-", "+")) and not line.startswith(("---", "+++"))
            ]
            alive.append(f"{where} {operator}: {' => '.join(one.strip() for one in changed)}")
    return len(pairs), alive


def main() -> int:
    """A sample of all mutants, chosen by the seed, spread over the modules by their number of mutants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cosmic-ray", default="cosmic-ray", help="the program")
    parser.add_argument("--sample", type=int, default=120, help="so many mutants; 0: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="modules whose path begins so")
    options = parser.parse_args()
    modules = [module for module in _TESTS if module.startswith(options.only)]
    with tempfile.TemporaryDirectory(prefix="trunkline-mutants-") as folder:
        copy = Path(folder) / "tree"
        skipped = shutil.ignore_patterns(".venv*", ".git", "__pycache__", ".mypy_cache")
        shutil.copytree(_ROOT, copy, ignore=skipped, symlinks=True)
        sessions: dict[str, Path] = {}
        every: list[tuple[str, str]] = []
        for module in modules:
            session = Path(folder) / f"{module.replace('/', '-')}.sqlite"
            session.with_suffix(".toml").write_text(configuration(module))
            cosmic_ray(
                options.cosmic_ray,
                copy,
                "init",
                str(session.with_suffix(".toml")),
                str(session),
            )
            sessions[module] = session
            every += [(module, job) for job in jobs(session)]
        count = min(options.sample or len(every), len(every))
        chosen = random.Random(options.seed).sample(every, count)
        print(f"{len(every)} mutants, {count} of them tried", flush=True)
        scores: Counter[str] = Counter()
        for module, session in sessions.items():
            kept = {job for name, job in chosen if name == module}
            if not kept:
                continue
            thin_out(session, kept)
            toml = str(session.with_suffix(".toml"))
            cosmic_ray(options.cosmic_ray, copy, "exec", toml, str(session))
            tried, alive = survivors(options.cosmic_ray, copy, session)
            scores.update(tried=tried, killed=tried - len(alive))
            print(f"{module}: {tried - len(alive)} of {tried} killed", flush=True)
            for one in alive:
                print(f"  survived: {one}", flush=True)
        print(f"{scores['killed']} of {scores['tried']} mutants killed, seed {options.seed}")
    print(recipe())
    return 0


if __name__ == "__main__":
    sys.exit(main())
