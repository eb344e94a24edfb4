"""Hostile and damaged folders are refused with one line, before any of their code could run."""

import hashlib
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.engines.base import EngineError
from workers.engines.granite import GraniteSettings, load
from workers.engines.granite.checkpoint import CheckpointError, inspect, locate, obstacle

BOMB = "raise SystemExit('code of the checkpoint ran')\n"


def safetensors(payload: int = 4, claimed: int | None = None) -> bytes:
    claimed = payload if claimed is None else claimed
    header = json.dumps(
        {"w": {"dtype": "F32", "shape": [claimed // 4], "data_offsets": [0, claimed]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(payload)


def header(content: object) -> bytes:
    raw = json.dumps(content).encode()
    return struct.pack("<Q", len(raw)) + raw


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like a checkpoint; it is never loaded."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(
        json.dumps({"model_type": "granite_speech", "has_lora_adapter": False})
    )
    (made / "tokenizer.json").write_text("{}")
    (made / "model.safetensors").write_bytes(safetensors())
    (made / "README.md").write_text("a card")
    return made


def config(folder: Path, **more: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_an_honest_folder_is_taken(folder: Path) -> None:
    config(folder, _attn_implementation_autoset=True, trust_remote_code=False, auto_map=None)

    checkpoint = inspect(folder)

    assert checkpoint.folder == folder
    assert checkpoint.config["model_type"] == "granite_speech"


def in_folder(folder: Path) -> Path:
    """A new module in a new folder."""
    folder.mkdir()
    return folder / "x.py"


def folder_instead(file: Path) -> None:
    """Put a folder in the place of a file."""
    file.unlink()
    file.mkdir()


def index(folder: Path, *names: str) -> None:
    """Write an index that places these tensors into the shard of the folder, which has one: `w`."""
    places = dict.fromkeys(names, "model.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def two_tensors(folder: Path) -> None:
    """Weights with two tensors, of which the index lists one."""
    tensors = {name: {"data_offsets": [0, 0]} for name in ("v", "w")}
    (folder / "model.safetensors").write_bytes(header(tensors))
    index(folder, "w")


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "python": (lambda f: (f / "modeling_granite.py").write_text(BOMB), "could run code"),
    "python-below": (lambda f: in_folder(f / "sub").write_text(BOMB), "could run code"),
    "pickle": (lambda f: (f / "pytorch_model.bin").write_bytes(b"\x80\x04"), "could run code"),
    "pickle-in-capitals": (lambda f: (f / "model.PT").write_bytes(b"\x80\x04"), "could run code"),
    "shared-object": (lambda f: (f / "kernel.so").write_bytes(b"\x7fELF"), "could run code"),
    "auto-map": (lambda f: config(f, auto_map={"AutoModel": "evil--modeling.Model"}), "auto_map"),
    "auto-map-deep": (lambda f: config(f, text_config={"a": [{"auto_map": {"AutoModel": "x.Y"}}]}), "auto_map"),
    "trust": (lambda f: config(f, trust_remote_code=True), "trust_remote_code"),
    "kernel": (lambda f: config(f, _attn_implementation_internal="evil/kernels"), "_attn_implementation_internal"),
    "kernel-deep": (lambda f: config(f, encoder_config={"_attn_implementation": "evil/k"}), "_attn_implementation"),
    "kernel-autoset": (lambda f: config(f, _attn_implementation_autoset="evil/k"), "autoset"),
    "quantiser": (lambda f: config(f, quantization_config={"quant_method": "evil"}), "quantization_config"),
    "tokenizer-map": (
        lambda f: (f / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["x.T", null]}}'),
        "auto_map",
    ),
    "generation": (lambda f: (f / "generation_config.json").write_text('{"custom_generate": "evil/g"}'), "custom"),
    "adapter": (lambda f: (f / "adapter_config.json").write_text("{}"), "adapter"),
    "lora": (lambda f: config(f, has_lora_adapter=True), "adapter"),
    "link-out": (lambda f: (f / "vocab.json").symlink_to("/etc/hostname"), "outside the folder"),
    "folder-link-out": (lambda f: (f / "more").symlink_to("/etc"), "outside the folder"),
    "shard-elsewhere": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"w": "../../x.safetensors"}}'),
        "index names",
    ),
    "other-kind": (lambda f: config(f, model_type="whisper"), "not of the kind"),
    "endless": (lambda f: config(f, text_config={"num_hidden_layers": 10**9}), "num_hidden_layers"),
    "too-wide": (lambda f: config(f, encoder_config={"hidden_dim": 10**12}), "hidden_dim"),
    "foreign-text": (lambda f: config(f, text_config={"model_type": "llama"}), "text_config .* granite"),
    "foreign-encoder": (lambda f: config(f, encoder_config={"model_type": ["x"]}), "encoder_config"),
    "text-is-a-list": (lambda f: config(f, text_config=[1]), "text_config .* not an object"),
    "map-is-a-list": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": ["model.safetensors"]}'),
        "no weight_map",
    ),
    "map-is-absent": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), "no weight_map"),
    "map-of-no-names": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"w": 7}}'),
        "index names",
    ),
    "missing-shard": (
        lambda f: (f / "model.safetensors.index.json").write_text('{"weight_map": {"w": "m-2.safetensors"}}'),
        "index names 'm-2",
    ),
    "index-without-an-entry": (two_tensors, "index.json has no entry for 'v', a tensor of model.safetensors"),
    "index-of-another-model": (lambda f: index(f, "v", "w"), "model.safetensors has no tensor 'v'"),
    "folder-for-config": (lambda f: folder_instead(f / "config.json"), "config.json is miss"),
    "folder-for-weights": (lambda f: folder_instead(f / "model.safetensors"), "no weights"),
    "negative": (lambda f: config(f, encoder_config={"num_layers": -1}), "num_layers to -1"),
    "link-to-nothing": (lambda f: (f / "vocab.json").symlink_to(f / "absent"), "not a regular file"),
    "link-to-itself": (lambda f: (f / "vocab.json").symlink_to(f / "vocab.json"), "cannot be read|not a regular file"),
    "a-pipe": (lambda f: os.mkfifo(f / "vocab.json"), "not a regular file"),
    "words-for-offsets": (
        lambda f: (f / "model.safetensors").write_bytes(header({"w": {"data_offsets": ["a", "b"]}})), "damaged header",
    ),
    "header-of-lists": (lambda f: (f / "model.safetensors").write_bytes(header([1, 2])), "damaged header"),
    "truncated-tokenizer": (lambda f: (f / "tokenizer.json").write_text('{"version": "1.0", "mod'), "damaged"),
    "no-config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "no-tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    "no-weights": (lambda f: (f / "model.safetensors").unlink(), "no weights"),
    "broken-json": (lambda f: (f / "config.json").write_text("{"), "damaged"),
    "deep-json": (lambda f: (f / "config.json").write_text("[" * 100_000), "damaged"),
    "json-list": (lambda f: (f / "config.json").write_text("[]"), "damaged"),
    "binary-json": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), "damaged"),
    "half-download": (lambda f: (f / "model.safetensors").write_bytes(safetensors(4, 8)), "not complete"),
    "not-safetensors": (lambda f: (f / "model.safetensors").write_bytes(b"PK\x03\x04" * 9), "damaged"),
    "empty-weights": (lambda f: (f / "model.safetensors").write_bytes(b""), "damaged"),
    "huge-header": (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 64), "damaged"),
    "bad-header": (lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 4) + b"nope"), "header"),
}  # fmt: skip


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_or_damaged_folder_is_refused_in_one_line(folder: Path, attack: str) -> None:
    prepare, reason = HOSTILE[attack]
    prepare(folder)

    with pytest.raises(CheckpointError, match=reason) as refused:
        inspect(folder)

    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, EngineError)


def test_the_engine_refuses_before_anything_is_imported(folder: Path) -> None:
    """In a process of its own: neither transformers nor code of the folder is loaded when the refusal comes."""
    import subprocess

    pytest.importorskip("torch", reason="the optional extra `granite` is not installed")
    (folder / "modeling_granite.py").write_text(BOMB)
    config(folder, auto_map={"AutoModel": "modeling_granite.Model"})
    program = (
        "import sys\n"
        "from workers.engines.granite import CheckpointError, GraniteSettings, load\n"
        f"try: load(GraniteSettings(model={str(folder)!r}))\n"
        "except CheckpointError: print('refused', 'torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.stdout.split() == ["refused", "False", "False"], done.stderr


def test_load_refuses_too(folder: Path) -> None:
    pytest.importorskip("torch", reason="the optional extra `granite` is not installed")
    (folder / "evil.py").write_text(BOMB)

    with pytest.raises(CheckpointError, match="could run code"):
        load(GraniteSettings(model=str(folder)))


def damaged_copy(tiny: Path, target: Path) -> Path:
    import shutil

    return Path(shutil.copytree(tiny, target / "copy"))


def lose_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors.pop(next(name for name in tensors if "encoder" in name and "attn" in name))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a-tensor-is-missing": lose_a_tensor,
    "tensors-of-another-size": lambda f: config(f, text_config=config_of(f)["text_config"] | {"hidden_size": 64}),
    "a-number-is-a-word": lambda f: config(f, encoder_config={"num_heads": "many"}),
    "no-encoder": lambda f: config(f, encoder_config=None),
    "the-tokenizer-is-empty": lambda f: (f / "tokenizer.json").write_text("{}"),
    "an-inner-part-is-empty": lambda f: config(f, projector_config={}, encoder_config={}),
    "fewer-layers-than-weights": lambda f: config(
        f, encoder_config=config_of(f)["encoder_config"] | {"num_layers": 1}
    ),
    "no-end-of-text": lambda f: config(f, text_config=config_of(f)["text_config"] | {"vocab_size": 3}),
    "zeros-for-weights": lambda f: (f / "model.safetensors").write_bytes(safetensors()),
}  # fmt: skip


def config_of(folder: Path) -> dict[str, dict[str, object]]:
    return dict(json.loads((folder / "config.json").read_text()))


@pytest.mark.parametrize(
    "damage",
    # an empty part has the vendor's default sizes, which take seconds to make
    [pytest.param(one, marks=pytest.mark.long) if "empty" in one else one for one in DAMAGE],
)
def test_what_is_found_broken_on_loading_is_said_in_one_line(
    tiny: Path, tmp_path: Path, damage: str
) -> None:
    folder = damaged_copy(tiny, tmp_path)
    DAMAGE[damage](folder)

    with pytest.raises(CheckpointError) as refused:
        load(model=folder, max_batch=1)

    assert "\n" not in str(refused.value)


class TestManifest:
    """Lines of sha256sum."""

    def manifest(self, folder: Path, **changed: str) -> Path:
        lines = [
            f"{changed.get(path.name, hashlib.sha256(path.read_bytes()).hexdigest())}  {path.name}"
            for path in folder.iterdir()
            if path.suffix != ".md"
        ]
        written = folder.parent / "SHA256SUMS"
        written.write_text("\n".join(lines) + "\n")
        return written

    def test_all_files_as_they_should_be_are_taken(self, folder: Path) -> None:
        assert inspect(folder, manifest=self.manifest(folder)).folder == folder

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_a_file_with_another_hash_is_refused(self, folder: Path, name: str) -> None:
        manifest = self.manifest(folder, **{name: "0" * 64})

        with pytest.raises(CheckpointError, match=f"{name} differs from the hash"):
            inspect(folder, manifest=manifest)

    def test_a_file_that_the_manifest_does_not_know_is_refused(self, folder: Path) -> None:
        manifest = self.manifest(folder)
        (folder / "more.safetensors").write_bytes(safetensors())

        with pytest.raises(CheckpointError, match="is not in the manifest"):
            inspect(folder, manifest=manifest)

    def test_a_file_that_is_gone_is_missed(self, folder: Path) -> None:
        (folder / "vocab.json").write_text("{}")
        manifest = self.manifest(folder)
        (folder / "vocab.json").unlink()

        with pytest.raises(CheckpointError, match=r"vocab\.json is in the manifest"):
            inspect(folder, manifest=manifest)


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "abc123", "A" * 40])
def test_a_hub_model_needs_the_digits_of_a_commit(revision: str | None) -> None:
    with pytest.raises(CheckpointError, match="pinned revision"):
        locate("somebody/granite-4.0-1b-speech", revision)


@pytest.mark.parametrize(
    "model", ["/nowhere/at/all", "no-owner", "a/b/c", "../x", "https://example.org/x"]
)
def test_what_is_neither_folder_nor_hub_id_is_refused(model: str) -> None:
    with pytest.raises(CheckpointError, match="neither a folder nor a hub id"):
        locate(model, "0" * 40)


def test_links_inside_the_cache_of_the_hub_are_fine(folder: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (folder / "config.json").rename(blobs / "0123")
    (folder / "config.json").symlink_to(blobs / "0123")

    assert inspect(folder, root=tmp_path).config["model_type"] == "granite_speech"
    with pytest.raises(CheckpointError, match="outside the folder"):
        inspect(folder)


def test_an_obstacle_is_reported_without_loading(folder: Path) -> None:
    assert obstacle(str(folder), None) is None
    assert obstacle("ibm-granite/granite-4.0-1b-speech", "0" * 40) is None
    assert obstacle("ibm-granite/granite-4.0-1b-speech", None) is None
    assert "pinned" in (obstacle("somebody/granite-4.0-1b-speech", None) or "")
