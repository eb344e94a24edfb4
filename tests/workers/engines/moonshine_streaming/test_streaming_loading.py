"""What the engine loads and what it refuses; the download at a pinned commit."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.hub import hub
from support.shell import ROOT, clean

made_moonshine = pytest.importorskip("support.made_moonshine")

from workers.engines.base import EngineError  # noqa: E402 - needs the optional extra
from workers.engines.common.checkpoint import obstacle  # noqa: E402
from workers.engines.moonshine_streaming.loading import load  # noqa: E402
from workers.engines.moonshine_streaming.models import DEFAULT_MODEL, FAMILY  # noqa: E402
from workers.engines.moonshine_streaming.settings import MoonshineStreamingSettings  # noqa: E402


def change(name: str, **fields: Any) -> Callable[[Path], object]:
    """Change fields of a JSON file of the folder, which is made if it is missing."""

    def changed(folder: Path) -> None:
        path = folder / name
        document = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(document | fields))

    return changed


def encoder(**fields: Any) -> Callable[[Path], object]:
    """Change fields of the encoder's config."""

    def changed(folder: Path) -> None:
        path = folder / "config.json"
        document = json.loads(path.read_text())
        document["encoder_config"] |= fields
        path.write_text(json.dumps(document))

    return changed


def other_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer

    raw = Tokenizer.from_file(str(folder / "tokenizer.json"))
    raw.add_tokens([f"more-{number}" for number in range(9)])
    raw.save(str(folder / "tokenizer.json"))


def positions(folder: Path, count: int) -> None:
    """Leave only positions for `count` vectors of the encoder."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = "model.decoder.pos_emb.weight"
    tensors[name] = tensors[name][:count].clone()
    save_file(tensors, path, metadata={"format": "pt"})
    change("config.json", max_position_embeddings=count)(folder)


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "another model": (change("config.json", model_type="moonshine"), "not of the kind moonshine_streaming"),
    "another encoder": (encoder(model_type="whisper"), "encoder_config"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights in safetensors form"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "a pickle": (lambda folder: (folder / "model.bin").write_bytes(b"x"), "could run code"),
    "code": (change("config.json", auto_map={"AutoModel": "a.B"}), "auto_map"),
    "too few windows": (encoder(sliding_windows=[[16, 4]]), "sliding_windows"),
    "an empty window": (encoder(sliding_windows=[[0, 4]] * 4), "sliding_windows"),
    "an endless window": (encoder(sliding_windows=[[16, 10**6]] * 4), "sliding_windows"),
    "windows of text": (encoder(sliding_windows=["16"] * 4), "sliding_windows"),
    "other widths": (encoder(intermediate_size=72), "while loading the weights"),
    "more layers": (change("config.json", num_hidden_layers=3), "weights do not fit the config"),
    "normalised audio": (change("preprocessor_config.json", do_normalize=True), "do_normalize"),
    "another rate": (
        change("processor_config.json", feature_extractor={"sampling_rate": 8_000}), "sampling_rate",
    ),
    "a damaged tokenizer": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "is damaged"),
    "a larger tokenizer": (other_tokenizer, "more tokens than the model"),
    "no positions for audio": (lambda folder: positions(folder, 3), "at most"),
    "heads that do not fit": (encoder(num_attention_heads=3, head_dim=None), "while loading|do not fit"),
    "two ends": (change("generation_config.json", eos_token_id=[2, 3]), "one must end it"),
}  # fmt: skip


@pytest.fixture
def folder(fitted: Path, tmp_path: Path) -> Path:
    """A copy of the made model."""
    return shutil.copytree(fitted, tmp_path / "model")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_folder_is_refused_in_one_line(folder: Path, wrong: str) -> None:
    damage, reason = WRONG[wrong]
    damage(folder)

    with pytest.raises(EngineError, match=reason) as refused:
        load(MoonshineStreamingSettings(model=str(folder)))

    assert "\n" not in str(refused.value)


def test_the_files_of_the_vendors_processor_are_accepted(folder: Path) -> None:
    change("preprocessor_config.json", do_normalize=False, sampling_rate=16_000)(folder)

    assert load(MoonshineStreamingSettings(model=str(folder))).capabilities.name == "model"


def test_a_hub_id_needs_a_whole_commit_unless_it_is_pinned() -> None:
    assert obstacle(FAMILY, DEFAULT_MODEL, None) is None
    assert "40 hexadecimal digits" in (obstacle(FAMILY, "somebody/else", None) or "")
    assert "40 hexadecimal digits" in (obstacle(FAMILY, "somebody/else", "main") or "")
    assert all(len(pin.revision) == 40 for pin in FAMILY.pins.values())


def test_the_default_is_fetched_at_its_pinned_commit(fitted: Path, tmp_path: Path) -> None:
    pinned = FAMILY.pins[DEFAULT_MODEL].revision
    environment = clean() | {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRUNKLINE_MOONSHINE_STREAMING_CACHE": str(tmp_path / "cache"),
    }
    with hub(DEFAULT_MODEL, pinned, fitted) as url:
        done = subprocess.run(
            [sys.executable, "-m", "trunkline", "fetch", "moonshine-streaming"],
            env=environment | {"HF_ENDPOINT": url}, cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    fetched = Path(done.stdout.strip())
    assert fetched.name == pinned
    engine = load(MoonshineStreamingSettings(cache=tmp_path / "cache"))
    assert engine.capabilities.name == f"moonshine-streaming-tiny@{pinned[:12]}"
