"""The first start on files laid out as the vendor's: from bash, through the canary, to transcripts of a call."""

import json
import re
import shlex
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.shell import PROMPT, ROOT, clean, script

from cli.recording import read_recording
from workers.engines.common.checkpoint import parsed

tiny_granite = pytest.importorskip("support.tiny_granite")

from support import granite_repository  # noqa: E402 - needs the optional extra

MANIFEST = ROOT / "workers" / "engines" / "granite" / "manifests" / "granite-4.0-1b-speech.sha256"


def test_the_folder_has_the_names_of_the_pinned_commit(repository: Path) -> None:
    assert {path.name for path in repository.iterdir()} == granite_repository.NAMES
    assert set(parsed(MANIFEST.read_text())) == granite_repository.NAMES


def test_the_weights_have_the_number_and_types_of_the_real_tensors(repository: Path) -> None:
    from safetensors import safe_open

    index = json.loads((repository / "model.safetensors.index.json").read_text())["weight_map"]
    types = []
    for shard in sorted(set(index.values())):
        with safe_open(repository / shard, "pt") as file:
            types += [file.get_slice(name).get_dtype() for name in file.keys()]  # noqa: SIM118 - not a mapping

    assert len(index) == len(types) == 954
    assert (types.count("BF16"), types.count("I64")) == (938, 16)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Speech for the gateway, with the sounds of the tiny alphabet for the model over it; 8 kHz, 16 bit."""
    (speech,) = read_recording(PROMPT).channels
    letters = tiny_granite.spoken("adgadgabdegbadge", 1, level=0.2)[::2]
    mixed = np.zeros(max(len(speech), len(letters)) + 8_000)
    mixed[: len(speech)] += 0.3 * speech / 32_768
    mixed[: len(letters)] += letters
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes((mixed * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture
def up(repository: Path, answers: Path, tmp_path: Path) -> Iterator[str]:
    """`trunkline up --engine granite` from bash with ordinary variables; yields the gateway's URL."""
    sums = tmp_path / "sums"
    sums.write_text(granite_repository.manifest(repository))
    home = tmp_path / "home"
    home.mkdir()
    commands = (
        f"export LANG=de_DE.UTF-8 LC_ALL= HOME={shlex.quote(str(home))}\n"
        f"export TRUNKLINE_GRANITE_MODEL={shlex.quote(str(repository))} TRUNKLINE_GRANITE_MAX_BATCH=2\n"
        f"export TRUNKLINE_GRANITE_MANIFEST={shlex.quote(str(sums))} TRUNKLINE_GRANITE_REVISION=\n"
        f"export TRUNKLINE_GRANITE_CANARY_ANSWERS={shlex.quote(str(answers))} TRUNKLINE_GRANITE_DRAFTS=never\n"
        "export TRUNKLINE_GATEWAY_HTTP_PORT=0 TRUNKLINE_GATEWAY_AUDIOSOCKET_PORT=0\n"
        f"exec {shlex.quote(sys.executable)} -m trunkline up --engine granite --port 0"
    )
    with subprocess.Popen(
        script(commands, tmp_path), env=clean(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        try:
            lines = iter(running.stdout)
            yield next(
                found[1] for line in lines if (found := re.search(r"(ws://\S+)/twilio", line))
            )
        finally:
            running.send_signal(signal.SIGINT)
            running.stdout.read()
    assert running.returncode == 0


def test_a_call_is_transcribed_and_translated_through_the_whole_stack(
    up: str, recording: Path, tmp_path: Path
) -> None:
    def call(*options: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "trunkline",
            "call",
            str(recording),
            "--url",
            up,
            "--pace",
            "3",
            *options,
        ]
        return subprocess.run(
            command, env=clean(), cwd=ROOT, capture_output=True, text=True, check=False
        )

    transcribed = call("--keywords", "Ann, Acme")
    translated = call("--translate-to", "fr")

    assert (transcribed.returncode, translated.returncode) == (0, 0), (
        transcribed.stderr + translated.stderr
    )
    texts = [re.findall(r"[a-z]{6}\d+", done.stdout) for done in (transcribed, translated)]
    assert all(texts)  # words of the invented vocabulary
    assert texts[0] != texts[1]
