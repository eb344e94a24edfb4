"""The files of Granite's models: found, downloaded and checked as `common.checkpoint` does it for every engine."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from ..common import checkpoint as files
from ..common.checkpoint import CheckpointError, ModelCheckpoint, is_local
from .pins import FAMILY

__all__ = [
    "CheckpointError",
    "ModelCheckpoint",
    "fetched",
    "inspect",
    "is_local",
    "locate",
    "obstacle",
]


def fetched(
    model: str, revision: str | None, cache: Path | None = None, manifest: Path | None = None,
    *, model_type: str = FAMILY.model_type,
) -> ModelCheckpoint:  # fmt: skip
    """See `common.checkpoint.fetched`.  `model_type`: another one has no parts."""
    family = FAMILY if model_type == FAMILY.model_type else _without_parts(model_type)
    return files.fetched(family, model, revision, cache, manifest)


def inspect(
    folder: Path, *, root: Path | None = None, manifest: Path | None = None,
    hashes: Mapping[str, str] | None = None,
) -> ModelCheckpoint:  # fmt: skip
    """See `common.checkpoint.inspect`."""
    return files.inspect(FAMILY, folder, root=root, manifest=manifest, hashes=hashes)


def locate(
    model: str, revision: str | None, cache: Path | None = None, names: Collection[str] = ()
) -> tuple[Path, Path]:
    """See `common.checkpoint.locate`."""
    return files.locate(FAMILY, model, revision, cache, names)


def obstacle(model: str, revision: str | None) -> str | None:
    """See `common.checkpoint.obstacle`."""
    return files.obstacle(FAMILY, model, revision)


def _without_parts(model_type: str) -> files.ModelFamily:
    return replace(FAMILY, model_type=model_type, parts={})
