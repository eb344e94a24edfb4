"""The whole pipeline with Granite, started as its page describes."""

import shlex
import signal
import subprocess
import sys
from pathlib import Path

from support.shell import ROOT, clean, script


def test_the_whole_pipeline_starts_with_a_model_from_the_environment(
    tiny: Path, tmp_path: Path
) -> None:
    commands = (
        f"export TRUNKLINE_GRANITE_MODEL={shlex.quote(str(tiny))} TRUNKLINE_GRANITE_MAX_BATCH=1\n"
        "export TRUNKLINE_GRANITE_REVISION= TRUNKLINE_GRANITE_DRAFTS=never\n"
        f"exec {shlex.quote(sys.executable)} -m trunkline up --engine granite --port 0"
    )
    with subprocess.Popen(
        script(commands, tmp_path), env=clean(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        try:
            first = [line for line, _ in zip(running.stdout, range(2), strict=False)]
        finally:
            running.send_signal(signal.SIGINT)
        running.stdout.read()

    assert "Trunkline is up." in "".join(first)
    assert running.returncode == 0
