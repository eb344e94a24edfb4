"""Finds the folder of a model, and downloads a model of the hub at a pinned commit."""

import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from .errors import CheckpointError
from .inspection import ModelCheckpoint, inspect
from .model_family import ModelFamily

_REVISION = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def fetched(
    family: ModelFamily, model: str, revision: str | None, cache: Path | None = None,
    manifest: Path | None = None,
) -> ModelCheckpoint:  # fmt: skip
    """
    Return the checked checkpoint of `model`: a folder, or a hub id that is downloaded if it is not in the cache.

    `manifest`: see `inspect`.

    Files that are complete are not downloaded again.  Within a run, a file continues where its connection broke
    off; the hub's client does not keep a part of a file for a later run.  The files of a hub id whose hashes are
    known are compared with them.  Raises CheckpointError.
    """
    hashes = None if is_local(model) or manifest else family.hashes_of(model, revision)
    folder, root = locate(family, model, revision, cache, hashes or ())
    if is_local(model):
        return inspect(family, folder, root=root, manifest=manifest)
    checkpoint = inspect(family, folder, root=root, manifest=manifest, hashes=hashes)
    return replace(checkpoint, source=f"{model}@{family.revision_of(model, revision)}")


def locate(
    family: ModelFamily, model: str, revision: str | None, cache: Path | None = None,
    names: Collection[str] = (),
) -> tuple[Path, Path]:  # fmt: skip
    """
    Return the folder of `model`, and the folder inside which its links must stay.

    A local folder is used as it is.  Anything else is a hub id, downloaded at exactly `revision`: a commit of 40
    hexadecimal digits, because the owner of a branch or tag can move it; None is the pinned commit of a known
    model.  `cache`: None is the hub client's own folder; `names`: the files to download; empty: all that an engine
    may read.  Raises CheckpointError.
    """
    if local := _local(model):
        return local.resolve(), local.resolve()
    if reason := obstacle(family, model, revision):
        raise CheckpointError(reason)
    pinned = family.revision_of(model, revision)
    assert pinned is not None
    folder = _fetch(family, model, pinned, cache, names)
    return (
        folder,
        folder.parent.parent,
    )  # the hub's cache keeps the files in `blobs` beside `snapshots`


def obstacle(family: ModelFamily, model: str, revision: str | None) -> str | None:
    """The reason why `model` cannot be loaded, or None if it may be tried.  Uses no network."""
    if is_local(model):
        return None
    revision = family.revision_of(model, revision)
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


def _fetch(
    family: ModelFamily, model: str, revision: str, cache: Path | None, names: Collection[str]
) -> Path:
    """Download the files `names`; if it is empty, all that an engine may read.  Returns their folder."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - comes with the optional extra

    try:
        fetched = snapshot_download(
            model, revision=revision, cache_dir=cache,
            allow_patterns=list(names or family.fetched), ignore_patterns=list(family.not_fetched),
        )  # fmt: skip
    except Exception as exc:
        raise CheckpointError(
            f"{model} at {revision[:12]} is not in the cache and cannot be fetched: {_first_line(exc)}"
        ) from exc
    return Path(fetched)


def _first_line(exc: BaseException) -> str:
    return next(iter(str(exc).splitlines()), "") or type(exc).__name__
