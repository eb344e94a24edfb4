"""
Finds the files of a model and checks that they are safe to load.

A checkpoint comes from outside and is not trusted.  All checks run before torch or transformers is imported, and no
code in the folder is ever imported: weights are safetensors, the rest is JSON.  Anything that could make a library
run code or download more files is refused, with one line of text.
"""

import hashlib
import json
import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import EngineError
from .pins import FETCHED, NOT_FETCHED, hashes_of, parsed, revision_of

LONGEST_JSON = 64 * 1024 * 1024
"""Bytes.  The largest file, that of the tokenizer, has about 8 MB."""

LONGEST_HEADER = 16 * 1024 * 1024
"""Bytes of a safetensors header.  A real one has about 100 kB."""

MOST_LAYERS = 512
LARGEST_SIZE = 1 << 20
"""Limits on the sizes in a config, because modules are built before the weights are compared with them."""

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
"""Allowed types of the parts of a model: transformers would build any other type that it knows."""

_REVISION = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class CheckpointError(EngineError):
    """The model cannot be used.  One line for the operator, which names the file and the reason."""


@dataclass(frozen=True, slots=True)
class ModelCheckpoint:
    """A model folder that has passed the checks."""

    folder: Path
    config: dict[str, Any] = field(repr=False)
    files: frozenset[str] = frozenset()
    """Names of the files at the top of the folder."""

    source: str = ""
    """Hub id and commit, `owner/name@<40 digits>`, of a fetched model; empty for a folder of the site."""

    @property
    def tokenizer(self) -> Path:
        """Path of the tokenizer file."""
        return self.folder / "tokenizer.json"


def fetched(
    model: str, revision: str | None, cache: Path | None = None, manifest: Path | None = None,
    *, model_type: str = "granite_speech",
) -> ModelCheckpoint:  # fmt: skip
    """
    Return the checked checkpoint of `model`: a folder, or a hub id that is downloaded if it is not in the cache.

    An interrupted download continues where it stopped.  The files of a hub id whose hashes are known are compared
    with them.  Raises CheckpointError.
    """
    folder, root = locate(model, revision, cache)
    if is_local(model):
        return inspect(folder, root=root, manifest=manifest, model_type=model_type)
    hashes = hashes_of(model, revision)
    checkpoint = inspect(folder, root=root, manifest=manifest, hashes=hashes, model_type=model_type)
    return replace(checkpoint, source=f"{model}@{revision_of(model, revision)}")


def locate(model: str, revision: str | None, cache: Path | None = None) -> tuple[Path, Path]:
    """
    Return the folder of `model`, and the folder inside which its links must stay.

    A local folder is used as it is.  Anything else is a hub id, downloaded at exactly `revision`: a commit of 40
    hexadecimal digits, because the owner of a branch or tag can move it; None is the pinned commit of a known
    model.  `cache`: None is the hub client's own folder.  Raises CheckpointError.
    """
    if local := _local(model):
        return local.resolve(), local.resolve()
    if reason := obstacle(model, revision):
        raise CheckpointError(reason)
    pinned = revision_of(model, revision)
    assert pinned is not None
    folder = _fetch(model, pinned, cache)
    return (
        folder,
        folder.parent.parent,
    )  # the hub's cache keeps the files in `blobs` beside `snapshots`


def obstacle(model: str, revision: str | None) -> str | None:
    """The reason why `model` cannot be loaded, or None if it may be tried.  Uses no network."""
    if is_local(model):
        return None
    revision = revision_of(model, revision)
    if not _HUB_ID.fullmatch(model):
        return f"{model!r} is neither a folder nor a hub id such as owner/name"
    if revision is not None and _REVISION.fullmatch(revision):
        return None
    return f"{model} needs a pinned revision: the 40 hexadecimal digits of a commit, not a branch"


def is_local(model: str) -> bool:
    """Whether `model` names a folder on this machine."""
    return _local(model) is not None


def _local(model: str) -> Path | None:
    """The folder that `model` names; None if it names no folder, or one without permission to read."""
    try:
        folder = Path(model).expanduser()
        return folder if folder.is_dir() else None
    except (
        OSError,
        RuntimeError,
    ):  # too long for a path, no permission, the home of an unknown user
        return None


def inspect(
    folder: Path, *, root: Path | None = None, manifest: Path | None = None,
    hashes: Mapping[str, str] | None = None, model_type: str = "granite_speech",
) -> ModelCheckpoint:  # fmt: skip
    """
    Check the files in `folder`; links must stay within `root`.

    `manifest`: a file with the output of `sha256sum *`, in which every file must be listed with its hash; `hashes`:
    the same by file name, used without a manifest.  Raises CheckpointError for anything unsafe, damaged or missing.
    """
    try:
        expected = _read_manifest(manifest) if manifest else hashes
        return _inspect(folder, root, expected, model_type)
    except (OSError, RecursionError, RuntimeError, UnicodeDecodeError) as exc:
        named = getattr(exc, "filename", None) or folder
        raise CheckpointError(f"{named} cannot be read ({type(exc).__name__})") from exc


def _inspect(
    folder: Path, root: Path | None, hashes: Mapping[str, str] | None, model_type: str
) -> ModelCheckpoint:
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
    if hashes is not None:
        _check_hashes(files, hashes)
    config = documents["config.json"]
    _check_config(folder, config, model_type)
    return ModelCheckpoint(folder, config, frozenset(files))


def _fetch(model: str, revision: str, cache: Path | None) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - comes with the optional extra

    try:
        fetched = snapshot_download(
            model, revision=revision, cache_dir=cache,
            allow_patterns=list(FETCHED), ignore_patterns=list(NOT_FETCHED),
        )  # fmt: skip
    except Exception as exc:
        raise CheckpointError(
            f"{model} at {revision[:12]} is not in the cache and cannot be fetched: {_first_line(exc)}"
        ) from exc
    return Path(fetched)


def _first_line(exc: BaseException) -> str:
    return next(iter(str(exc).splitlines()), "") or type(exc).__name__


def _files(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The files at the top of `folder` by name.  Files in subfolders are checked too, but never read."""
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        real = path.resolve()
        if not real.is_relative_to(root):
            raise CheckpointError(f"{folder}: {name} is a link to a place outside the folder")
        if path.is_dir():
            continue
        if not real.is_file():
            raise CheckpointError(f"{folder}: {name} is not a regular file")
        if path.suffix.lower() in _RUNS_CODE:
            raise CheckpointError(
                f"{folder}: {name} could run code; only safetensors and JSON are read"
            )
        if path.name == "adapter_config.json":
            raise CheckpointError(f"{folder}: {name} would load an adapter from another place")
        if "/" not in name:
            yield name, path


def _document(path: Path) -> dict[str, Any]:
    """Read the JSON object in `path`.  Raises CheckpointError when it is too large or damaged."""
    if path.stat().st_size > LONGEST_JSON:
        raise CheckpointError(f"{path} is larger than a file of this name can be")
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise CheckpointError(f"{path} is damaged: no JSON") from exc
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} is damaged: it is not a JSON object")
    return document


def _refuse_keys(path: Path, document: object) -> None:
    """
    Refuse keys that make transformers import code or download kernels.

    `_attn_implementation_autoset` is a harmless flag of older versions; all similar keys name code.
    """
    waiting: list[object] = [document]
    while waiting:
        match waiting.pop():
            case dict() as mapping:
                for key, value in mapping.items():
                    tame = key == "_attn_implementation_autoset" and isinstance(value, bool)
                    # Old files contain an explicit "no", which is our own value too.
                    empty = value is None or value is False
                    if not (tame or empty) and (
                        key in _FORBIDDEN_KEYS or str(key).startswith("_attn_implementation")
                    ):
                        raise CheckpointError(
                            f"{path}: the key {key!r} could run code from the checkpoint"
                        )
                    waiting.append(value)
            case list() as items if path.name != "tokenizer.json":
                waiting.extend(items)


def _measure(path: Path, name: str) -> None:
    """Check that header and length of a safetensors file agree: no partial download, no other format."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST_HEADER, size - 8):
            raise CheckpointError(f"{path.parent}: {name} is damaged or not a safetensors file")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        end = max(map(operator.index, ends), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as exc:
        raise CheckpointError(f"{path.parent}: {name} has a damaged header") from exc
    if 8 + length + end != size:
        raise CheckpointError(f"{path.parent}: {name} is not complete: download it again")


def _check_index(folder: Path, index: dict[str, Any] | None, names: set[str]) -> None:
    """Check that all shards that the index names are in the folder."""
    shards = {} if index is None else index.get("weight_map")
    if not isinstance(shards, dict):
        raise CheckpointError(f"{folder}: model.safetensors.index.json has no weight_map")
    strange = set(map(str, shards.values())) - names
    if strange:
        raise CheckpointError(
            f"{folder}: the index names {min(strange)!r}, which is not in the folder"
        )


def _read_manifest(path: Path) -> dict[str, str]:
    """Hashes by file name.  Raises CheckpointError if the file lists none."""
    if hashes := parsed(path.read_text("utf-8")):
        return hashes
    raise CheckpointError(f"{path} lists no hashes: it must be as `sha256sum *` prints it")


def _check_hashes(files: dict[str, Path], expected: Mapping[str, str]) -> None:
    """Check that the manifest lists all files that may be read, and that all listed files have the right hash."""
    if missing := set(expected) - set(files):
        raise CheckpointError(f"{min(missing)} is in the manifest but not in the folder")
    for name, path in files.items():
        if name not in expected and path.suffix in {".json", ".safetensors", ".jinja", ".txt"}:
            raise CheckpointError(f"{path} is not in the manifest")
        if name in expected and _hash(path) != expected[name]:
            raise CheckpointError(
                f"{path} differs from the hash in the manifest: delete it and fetch it again"
            )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_config(folder: Path, config: dict[str, Any], model_type: str) -> None:
    """Check that the config describes the expected type of model, without adapters, within the size limits."""
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
                f"{folder}: config.json sets {key} to {value}, which no model of this kind has"
            )


def _check_parts(folder: Path, config: dict[str, Any]) -> None:
    """Check that the parts of the model have the types that this engine runs."""
    for part, kind in _KINDS_OF_PARTS.items():
        inner = config.get(part, {})
        if not isinstance(inner, dict):
            raise CheckpointError(f"{folder}: {part} in config.json is not an object")
        if inner.get("model_type", kind) != kind:
            raise CheckpointError(f"{folder}: {part} in config.json is not of the kind {kind}")


def _numbers(document: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """All integers in a config and in its nested configs, with their keys."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _numbers(value)
        elif isinstance(value, int):
            yield key, value
