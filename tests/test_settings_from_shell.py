"""Settings exported in a shell, together with the ordinary variables of a shell."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from support.shell import bash

# looked for and not imported, which takes seconds
with_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="the optional extra `granite` is not installed"
)


@with_torch
@pytest.mark.parametrize(
    ("commands", "complaint"),
    [
        # a hub id from a flag, with the rest from the environment: only the digits of its commit are wrong
        (
            "TRUNKLINE_GRANITE_REVISION=main trunkline transcribe $WAV --engine granite --model ibm-granite/x",
            "ibm-granite/x needs a pinned revision",
        ),
        pytest.param(
            "TRUNKLINE_GRANITE_MODEL=/absent/folder trunkline transcribe $WAV --engine granite",
            "'/absent/folder' is neither a folder nor a hub id",
            marks=pytest.mark.long,
        ),
        (
            "TRUNKLINE_GRANITE_MODEL=/absent/folder trunkline transcribe $WAV --engine granite --granite-model /other",
            "'/other' is neither a folder nor a hub id",
        ),
    ],
)
def test_the_settings_of_granite_come_from_the_environment_and_flags(
    commands: str, complaint: str, tmp_path: Path
) -> None:
    done = bash(commands, tmp_path)

    assert complaint in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("commands", "complaint"),
    [
        ("TRUNKLINE_GRANITE_MODLE=x trunkline show", "TRUNKLINE_GRANITE_MODLE; did you mean TRUNKLINE_GRANITE_MODEL"),
        pytest.param(
            "TRUNKLINE_GRANITE__=x trunkline show",
            "unknown environment variable TRUNKLINE_GRANITE__",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "TRUNKLINE_CONFIGURATION=x trunkline show",
            "unknown environment variable TRUNKLINE_CONFIGURATION",
            marks=pytest.mark.long,
        ),
        ("TRUNKLINE_WHISPER_MODEL=x trunkline transcribe $WAV --engine moonshine --model y", "--model: the engine moonshine"),
        (
            "TRUNKLINE_GRANITE_MAX_BATCH=many trunkline transcribe $WAV --engine granite",
            "TRUNKLINE_GRANITE_MAX_BATCH: Input should be a valid integer",
        ),
        # an engine with a hyphen in its name: flag, `--model` and variable reach its section
        ("trunkline fetch moonshine-streaming --moonshine-streaming-model /nope", "'/nope' is neither a folder"),
        pytest.param(
            "trunkline fetch moonshine-streaming --model /nope", "'/nope' is neither a folder", marks=pytest.mark.long
        ),
        (
            "TRUNKLINE_MOONSHINE_STREAMING_MODEL=/nope trunkline fetch moonshine-streaming",
            "'/nope' is neither a folder",
        ),
        ("TRUNKLINE_GATEWAY_MIXED_ROLES=sideways trunkline gateway", "must be greeting, inbound, outbound, none"),
    ],
)  # fmt: skip
def test_a_slip_is_answered_with_its_name(commands: str, complaint: str, tmp_path: Path) -> None:
    done = bash(commands, tmp_path)

    assert complaint in done.stderr
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@with_torch
def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path) -> None:
    commands = """
        mkdir model && cd model || exit 9
        echo '{"model_type": "granite_speech"}' > config.json; echo '{}' > tokenizer.json
        printf '\\2\\0\\0\\0\\0\\0\\0\\0{}' > model.safetensors
        echo '{"weight_map": ["model.safetensors"]}' > model.safetensors.index.json
        export TRUNKLINE_GRANITE_MODEL=$PWD
        cd "$OLDPWD" && trunkline transcribe $WAV --engine granite
    """
    done = bash(
        commands.replace("mkdir model && cd model", f"mkdir '{tmp_path}/m' && cd '{tmp_path}/m'"),
        tmp_path,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("model.safetensors.index.json has no weight_map")
    assert "Traceback" not in done.stderr
