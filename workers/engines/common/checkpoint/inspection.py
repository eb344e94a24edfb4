"""Checks that the files of a model are complete and safe to load."""

import hashlib
import json
import operator
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import CheckpointError
from .model_config import check_config, refuse_keys
from .model_family import ModelFamily, parsed

INDEX = "model.safetensors.index.json"

LONGEST_JSON = 64 * 1024 * 1024
"""Bytes.  The largest file, that of the tokenizer, has about 8 MB."""

LONGEST_HEADER = 16 * 1024 * 1024
"""Bytes of a safetensors header.  A real one has about 100 kB."""

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


def inspect(
    family: ModelFamily, folder: Path, *, root: Path | None = None, manifest: Path | None = None,
    hashes: Mapping[str, str] | None = None,
) -> ModelCheckpoint:  # fmt: skip
    """
    Check the files in `folder`, which must be a model of `family`; links must stay within `root`.

    `manifest`: a file with the output of `sha256sum *`, in which every file must be listed with its hash; `hashes`:
    the same by file name, used without a manifest.  Raises CheckpointError for anything unsafe, damaged or missing.
    """
    try:
        expected = _read_manifest(manifest) if manifest else hashes
        return _inspect(family, folder, root, expected)
    except (OSError, RecursionError, RuntimeError, UnicodeDecodeError) as exc:
        named = getattr(exc, "filename", None) or folder
        raise CheckpointError(f"{named} cannot be read ({type(exc).__name__})") from exc


def _inspect(
    family: ModelFamily, folder: Path, root: Path | None, hashes: Mapping[str, str] | None
) -> ModelCheckpoint:
    files = dict(_files(folder, (root or folder).resolve()))
    for name in _NEEDED:
        if name not in files:
            raise CheckpointError(f"{folder}: {name} is missing")
    if missing := set(hashes or ()) - set(files):
        raise CheckpointError(f"{min(missing)} is in the manifest but not in the folder")
    if not any(name.endswith(".safetensors") for name in files):
        raise CheckpointError(f"{folder}: no weights in safetensors form")
    documents = {name: _document(path) for name, path in files.items() if path.suffix == ".json"}
    for name, document in documents.items():
        refuse_keys(folder / name, document)
    tensors = {
        name: _measure(path, name) for name, path in files.items() if path.suffix == ".safetensors"
    }
    if INDEX in files:
        _check_index(folder, documents[INDEX], tensors)
    if hashes is not None:
        _check_hashes(files, hashes)
    config = documents["config.json"]
    check_config(family, folder, config)
    return ModelCheckpoint(folder, config, frozenset(files))


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


def _measure(path: Path, name: str) -> set[str]:
    """
    Return the names of the tensors of a safetensors file.

    Checks that header and length of the file agree: no partial download, no other format.
    """
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
    return set(header) - {"__metadata__"}


def _check_index(
    folder: Path, index: dict[str, Any], tensors: Mapping[str, AbstractSet[str]]
) -> None:
    """Check that the index and its shards name the same tensors.  `tensors`: names by file."""
    shards = index.get("weight_map")
    if not isinstance(shards, dict):
        raise CheckpointError(f"{folder}: {INDEX} has no weight_map")
    strange = set(map(str, shards.values())) - tensors.keys()
    if strange:
        raise CheckpointError(
            f"{folder}: the index names {min(strange)!r}, which is not in the folder"
        )
    if lost := {name for name, shard in shards.items() if name not in tensors[shard]}:
        raise CheckpointError(
            f"{folder}: {shards[min(lost)]} has no tensor {min(lost)!r}, which {INDEX} places there"
        )
    for shard in sorted(set(shards.values())):
        if unlisted := tensors[shard] - shards.keys():
            raise CheckpointError(
                f"{folder}: {INDEX} has no entry for {min(unlisted)!r}, a tensor of {shard}"
            )


def _read_manifest(path: Path) -> dict[str, str]:
    """Hashes by file name.  Raises CheckpointError if the file lists none."""
    if hashes := parsed(path.read_text("utf-8")):
        return hashes
    raise CheckpointError(f"{path} lists no hashes: it must be as `sha256sum *` prints it")


def _check_hashes(files: dict[str, Path], expected: Mapping[str, str]) -> None:
    """Check that the manifest lists all files that may be read, and that these have the right hash."""
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
