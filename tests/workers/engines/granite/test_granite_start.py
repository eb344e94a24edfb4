"""A worker whose model is broken: one line that names the file, and the end; from bash, as an operator starts it."""

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.shell import bash
from support.valkey import ValkeyServer

pytest.importorskip("support.tiny_granite")


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1_000])


def change_a_bit(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut, "model.safetensors is not complete: download it again"),
        pytest.param(
            change_a_bit,
            "model.safetensors differs from the hash in the manifest",
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_broken_file_is_named_in_one_line_and_the_worker_ends(
    tiny: Path,
    valkey: ValkeyServer,
    tmp_path: Path,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    folder = shutil.copytree(tiny, tmp_path / "model")
    sums = f"(cd {shlex.quote(str(folder))} && sha256sum *) > sums\n"
    assert bash(f"cd {shlex.quote(str(tmp_path))}\n{sums}", tmp_path).returncode == 0
    damage(folder)

    done = bash(
        f"export TRUNKLINE_REDIS_URL={shlex.quote(valkey.url)}\n"
        f"export TRUNKLINE_GRANITE_MODEL={shlex.quote(str(folder))} TRUNKLINE_GRANITE_REVISION=\n"
        f"export TRUNKLINE_GRANITE_MANIFEST={shlex.quote(str(tmp_path / 'sums'))}\n"
        "trunkline worker --engine granite",
        tmp_path,
    )

    plain = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 2
    assert reason in plain[0], done.stderr
    assert plain[1:] == [
        "trunkline: the worker ended with status 2 before it was ready: its last lines say why"
    ]
    assert "Traceback" not in done.stderr
