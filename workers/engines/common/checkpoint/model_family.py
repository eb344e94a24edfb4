"""What an engine knows of the models that it loads: their type, the files that it reads, and pinned commits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib.resources import files

JSON_AND_WEIGHTS = ("*.safetensors", "*.json")
"""Patterns of the files that every engine may read."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One commit of a model on the hub."""

    revision: str
    """40 hexadecimal digits."""

    manifest: str = ""
    """Name of the list of hashes in `manifests/` of the engine's package; empty: the hashes are not known."""

    canary: str = ""
    """Name of the known answers in `canaries/`; empty: none are known."""


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """The models of one architecture."""

    model_type: str
    """`model_type` of their `config.json`."""

    parts: Mapping[str, str] = field(default_factory=dict)
    """Allowed types of the parts of the config: transformers would build any other type that it knows."""

    pins: Mapping[str, Pin] = field(default_factory=dict)
    """Pinned commits by hub id.  These hub ids need no revision setting."""

    package: str = ""
    """The package whose folder `manifests` has the lists of hashes."""

    fetched: tuple[str, ...] = JSON_AND_WEIGHTS
    """Patterns of the files that may be downloaded from the hub."""

    not_fetched: tuple[str, ...] = ()
    """Patterns of files that `fetched` names and that the engine does not use."""

    def revision_of(self, model: str, revision: str | None) -> str | None:
        """Return `revision`, or else the pinned one of the hub id `model`; None if there is none."""
        if revision is not None or model not in self.pins:
            return revision
        return self.pins[model].revision

    def hashes_of(self, model: str, revision: str | None) -> dict[str, str] | None:
        """
        Return the known SHA-256 hashes of the files that are fetched of a hub id, by name; None if unknown.

        `revision`: as set; None is the pinned one.
        """
        pin = self.pins.get(model)
        known = pin is not None and pin.manifest
        if pin is None or not known or self.revision_of(model, revision) != pin.revision:
            return None
        text = (files(self.package) / "manifests" / pin.manifest).read_text("utf-8")
        return {name: digest for name, digest in parsed(text).items() if self._is_fetched(name)}

    def _is_fetched(self, name: str) -> bool:
        return any(fnmatch(name, one) for one in self.fetched) and name not in self.not_fetched


def parsed(manifest: str) -> dict[str, str]:
    """Hashes by file name, from lines such as `<64 hex digits>  <name>`; lines that begin with `#` are comments."""
    hashes = {}
    for line in manifest.splitlines():
        digest, _, name = line.strip().partition(" ")
        if digest and not digest.startswith("#"):
            hashes[name.strip().lstrip("*").removeprefix("./")] = digest.lower()
    return hashes
