"""
Which files a model is read from, and why they may be trusted that far.

A checkpoint comes from outside.  Everything here happens before torch or transformers is imported, and nothing in
the folder is ever imported at all: weights are safetensors, the rest is JSON.  What could make a library run code
or fetch more from elsewhere is refused with one line.
"""

import hashlib
import json
import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base import EngineError

LONGEST_JSON = 64 * 1024 * 1024
"""Bytes; the largest, the tokenizer's, has about 8 MB."""

LONGEST_HEADER = 16 * 1024 * 1024
"""Bytes of a safetensors header; a true one has about 100 kB."""

MOST_LAYERS = 512
LARGEST_SIZE = 1 << 20
"""Bounds on what a config may ask for: modules are built before weights are compared with them."""

FETCHED = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.json")
"""All that is ever asked of the hub."""

_NEEDED = ("config.json", "tokenizer.json")
_RUNS_CODE = frozenset(
    [
        ".py",
        ".pyc",
        ".pyo",
        ".pyd",
        ".so",
        ".dll",
        ".dylib",
        ".sh",
        ".exe",
        ".pkl",
        ".pickle",
        ".pt",
        ".pth",
        ".bin",
        ".ckpt",
        ".joblib",
        ".npy",
        ".npz",
        ".h5",
        ".ot",
        ".msgpack",
        ".pth.tar",
        ".whl",
        ".egg",
        ".zip",
        ".tar",
        ".gz",
    ]
)
_FORBIDDEN_KEYS = frozenset(
    {
        "auto_map", "trust_remote_code", "custom_generate", "custom_pipelines", "quantization_config",
        "kernel_config", "base_model_name_or_path", "attn_implementation",
    }
)  # fmt: skip
_KINDS_OF_PARTS = {
    "text_config": "granite",
    "encoder_config": "granite_speech_encoder",
    "projector_config": "blip_2_qformer",
}
"""What the parts of a model may be: transformers would build any other kind that it knows."""

_REVISION = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class CheckpointError(EngineError):
    """The model cannot be taken from there; one line, for the operator, saying which file and why."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder that has been looked through."""

    folder: Path
    config: dict[str, Any] = field(repr=False)
    files: frozenset[str] = frozenset()
    """Names of the files at its top."""

    @property
    def tokenizer(self) -> Path:
        """The file of the tokenizer."""
        return self.folder / "tokenizer.json"


def locate(model: str, revision: str | None, cache: Path | None = None) -> tuple[Path, Path]:
    """
    The folder of `model` and the folder that its links may lead into.

    A local folder is taken as it is; anything else is a hub id, fetched at exactly `revision` (a commit of 40
    hexadecimal digits: a branch or a tag can be moved by whoever owns it).  Raises CheckpointError.
    """
    if local := _local(model):
        return local.resolve(), local.resolve()
    if reason := obstacle(model, revision):
        raise CheckpointError(reason)
    assert revision is not None
    folder = _fetch(model, revision, cache)
    return (
        folder,
        folder.parent.parent,
    )  # the hub's cache keeps the files in `blobs` beside `snapshots`


def obstacle(model: str, revision: str | None) -> str | None:
    """Why `model` cannot even be tried, or None: for whoever chooses between engines.  Asks no network."""
    if _local(model):
        return None
    if not _HUB_ID.fullmatch(model):
        return f"{model!r} is neither a folder nor a hub id such as owner/name"
    if revision is not None and _REVISION.fullmatch(revision):
        return None
    return f"{model} needs a pinned revision: the 40 hexadecimal digits of a commit, not a branch"


def _local(model: str) -> Path | None:
    """The folder that `model` names; None when it names none, or one that we may not look into."""
    try:
        folder = Path(model).expanduser()
        return folder if folder.is_dir() else None
    except (
        OSError,
        RuntimeError,
    ):  # too long for a path, not ours to read, the home of an unknown user
        return None


def inspect(
    folder: Path, *, root: Path | None = None, manifest: Path | None = None,
    model_type: str = "granite_speech",
) -> Checkpoint:  # fmt: skip
    """
    Look through `folder`; links may stay within `root` only.

    `manifest` is what `sha256sum *` prints: then every file must stand in it, with its own hash.  Raises
    CheckpointError for anything hostile, damaged or missing.
    """
    try:
        return _inspect(folder, root, manifest, model_type)
    except (OSError, RecursionError, RuntimeError, UnicodeDecodeError) as exc:
        named = getattr(exc, "filename", None) or folder
        raise CheckpointError(f"{named} cannot be read ({type(exc).__name__})") from exc


def _inspect(folder: Path, root: Path | None, manifest: Path | None, model_type: str) -> Checkpoint:
    files = dict(_files(folder, (root or folder).resolve()))
    for name in _NEEDED:
        if name not in files:
            raise CheckpointError(f"{folder}: {name} is missing")
    if not any(name.endswith(".safetensors") for name in files):
        raise CheckpointError(f"{folder}: no weights in safetensors form")
    documents = {name: _document(path) for name, path in files.items() if path.suffix == ".json"}
    for name, document in documents.items():
        _refuse_keys(folder / name, document)
    for name, path in files.items():
        if path.suffix == ".safetensors":
            _measure(path, name)
    _check_index(folder, documents.get("model.safetensors.index.json"), set(files))
    if manifest is not None:
        _check_hashes(files, _read_manifest(manifest))
    config = documents["config.json"]
    _check_config(folder, config, model_type)
    return Checkpoint(folder, config, frozenset(files))


def _fetch(model: str, revision: str, cache: Path | None) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - comes with the optional extra

    try:
        fetched = snapshot_download(
            model, revision=revision, cache_dir=cache, allow_patterns=list(FETCHED)
        )
    except Exception as exc:
        raise CheckpointError(
            f"{model} at {revision[:12]} is not in the cache and cannot be fetched ({type(exc).__name__})"
        ) from exc
    return Path(fetched)


def _files(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The files at the top of `folder` by name.  Folders in it are never read, but what they hold is looked at."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        real = path.resolve()
        if not real.is_relative_to(root):
            raise CheckpointError(f"{folder}: {name} is a link that leads out of the folder")
        if path.is_dir():
            continue
        if not real.is_file():
            raise CheckpointError(f"{folder}: {name} is no plain file")
        if path.suffix.lower() in _RUNS_CODE:
            raise CheckpointError(
                f"{folder}: {name} could run code; only safetensors and JSON are read"
            )
        if path.name == "adapter_config.json":
            raise CheckpointError(f"{folder}: {name} would load an adapter from elsewhere")
        if "/" not in name:
            yield name, path


def _document(path: Path) -> dict[str, Any]:
    """The JSON object in `path`."""
    if path.stat().st_size > LONGEST_JSON:
        raise CheckpointError(f"{path} is too large to be what its name says")
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise CheckpointError(f"{path} is damaged: no JSON") from exc
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} is damaged: no JSON object")
    return document


def _refuse_keys(path: Path, document: object) -> None:
    """
    No key that makes transformers import code or fetch kernels.

    `_attn_implementation_autoset` is a harmless flag that older versions wrote; all its relatives name code.
    """
    waiting: list[object] = [document]
    while waiting:
        match waiting.pop():
            case dict() as mapping:
                for key, value in mapping.items():
                    tame = key == "_attn_implementation_autoset" and isinstance(value, bool)
                    # Old files hold an explicit "no", which is what we would say ourselves.
                    empty = value is None or value is False
                    if not (tame or empty) and (
                        key in _FORBIDDEN_KEYS or str(key).startswith("_attn_implementation")
                    ):
                        raise CheckpointError(f"{path}: the key {key!r} could run foreign code")
                    waiting.append(value)
            case list() as items if path.name != "tokenizer.json":
                waiting.extend(items)


def _measure(path: Path, name: str) -> None:
    """A safetensors file whose header and length agree: no half download, no foreign format under the name."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise CheckpointError(f"{path.parent}: {name} is damaged or no safetensors file")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        end = max(map(operator.index, ends), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as exc:
        raise CheckpointError(f"{path.parent}: {name} has a damaged header") from exc
    if 8 + length + end != size:
        raise CheckpointError(f"{path.parent}: {name} is not complete, fetch it again")


def _check_index(folder: Path, index: dict[str, Any] | None, names: set[str]) -> None:
    """The shards that the index names stand in the folder itself."""
    shards = {} if index is None else index.get("weight_map")
    if not isinstance(shards, dict):
        raise CheckpointError(f"{folder}: model.safetensors.index.json has no weight_map")
    strange = set(map(str, shards.values())) - names
    if strange:
        raise CheckpointError(
            f"{folder}: the index names {min(strange)!r}, which is not in the folder"
        )


def _read_manifest(path: Path) -> dict[str, str]:
    """Hashes by name from lines such as `<64 hex digits>  <name>`."""
    hashes = {}
    for line in path.read_text("utf-8").splitlines():
        digest, _, name = line.strip().partition(" ")
        if digest:
            hashes[name.strip().lstrip("*").removeprefix("./")] = digest.lower()
    return hashes


def _check_hashes(files: dict[str, Path], expected: dict[str, str]) -> None:
    """All files that may be read stand in the manifest, and all that stand in it are there and whole."""
    if missing := set(expected) - set(files):
        raise CheckpointError(f"{min(missing)} stands in the manifest and is not in the folder")
    for name, path in files.items():
        if name not in expected and path.suffix in {".json", ".safetensors", ".jinja", ".txt"}:
            raise CheckpointError(f"{path} does not stand in the manifest")
        if name in expected and _hash(path) != expected[name]:
            raise CheckpointError(f"{path} is not the file that the manifest describes")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_config(folder: Path, config: dict[str, Any], model_type: str) -> None:
    """The kind of model that this engine runs, complete in itself."""
    if config.get("model_type") != model_type:
        raise CheckpointError(f"{folder}: config.json is not of the kind {model_type}")
    _check_parts(folder, config if model_type == "granite_speech" else {})
    if config.get("has_lora_adapter"):
        raise CheckpointError(f"{folder}: the model needs an adapter; only merged models are run")
    for key, value in _numbers(config):
        most = MOST_LAYERS if "layer" in key else LARGEST_SIZE
        if not 0 <= value <= most and key.endswith(
            ("layers", "size", "dim", "heads", "embeddings", "length")
        ):
            raise CheckpointError(
                f"{folder}: config.json asks for {key} of {value}, which is no model of this kind"
            )


def _check_parts(folder: Path, config: dict[str, Any]) -> None:
    """The parts of the model are of the kinds that this engine runs."""
    for part, kind in _KINDS_OF_PARTS.items():
        inner = config.get(part, {})
        if not isinstance(inner, dict):
            raise CheckpointError(f"{folder}: {part} in config.json is no object")
        if inner.get("model_type", kind) != kind:
            raise CheckpointError(f"{folder}: {part} in config.json is not of the kind {kind}")


def _numbers(document: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Whole numbers of a config and of the configs in it, by their keys."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif isinstance(value, int):
            yield key, value
