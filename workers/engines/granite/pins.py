"""
The vendor's models at pinned commits, with the SHA-256 of their files where it is known.

A hub id in this table needs no revision setting.  The commits are quoted by several independent public sources; the
hashes of the 4.0 model come from one public source and could not be compared with the hub from here.  A file with
another hash is refused by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.resources import files

SMOKE_CLIP = "multilingual_sample.wav"
"""Speech that the vendor ships with the model; used by the canary."""

FETCHED = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.json", SMOKE_CLIP)
"""File patterns that may be downloaded from the hub."""

NOT_FETCHED = ("out_llm.safetensors",)
"""The CTC head over the tokenizer's own tokens (4.1 and later): this engine does not use it."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One commit of a model on the hub."""

    revision: str
    """40 hexadecimal digits."""

    manifest: str = ""
    """Name of the list of hashes in `manifests/`; empty: the hashes are not known."""

    canary: str = ""
    """Name of the known answers in `canaries/`; empty: none are known."""


PINS: Mapping[str, Pin] = {
    "ibm-granite/granite-4.0-1b-speech": Pin(
        "bd87ab862416353633ea431fe49b1614003623c5",
        "granite-4.0-1b-speech.sha256",
        "granite-4.0-1b-speech.json",
    ),
    "ibm-granite/granite-speech-4.1-2b": Pin("de575db64086f84fdc79da4932d1076e965bc546"),
    "ibm-granite/granite-speech-5.0-470m-turboctc": Pin("286456107c8ba1161f5c22dfe85466402c88333b"),
}


def revision_of(model: str, revision: str | None) -> str | None:
    """Return `revision`, or else the pinned one of the hub id `model`; None if there is none."""
    if revision is not None or model not in PINS:
        return revision
    return PINS[model].revision


def hashes_of(model: str, revision: str | None) -> dict[str, str] | None:
    """
    Return the known SHA-256 hashes of the files that are fetched of a hub id, by name; None if they are not known.

    `revision`: as set; None is the pinned one.
    """
    pin = PINS.get(model)
    if pin is None or not pin.manifest or revision_of(model, revision) != pin.revision:
        return None
    text = (files(__package__) / "manifests" / pin.manifest).read_text("utf-8")
    return {name: digest for name, digest in parsed(text).items() if _is_fetched(name)}


def canary_of(source: str) -> str:
    """Name of the known answers of a fetched model; empty if none are known.  `source`: `owner/name@commit`."""
    model, _, revision = source.partition("@")
    pin = PINS.get(model)
    return pin.canary if pin is not None and pin.revision == revision else ""


def canary_by_index(digest: str) -> str:
    """
    Name of the known answers of a local copy of a pinned model; empty if none are known.

    `digest`: SHA-256 of the folder's `model.safetensors.index.json`.
    """
    for model, pin in PINS.items():
        if digest == (hashes_of(model, None) or {}).get("model.safetensors.index.json"):
            return pin.canary
    return ""


def parsed(manifest: str) -> dict[str, str]:
    """Hashes by file name, from lines such as `<64 hex digits>  <name>`; lines that begin with `#` are comments."""
    hashes = {}
    for line in manifest.splitlines():
        digest, _, name = line.strip().partition(" ")
        if digest and not digest.startswith("#"):
            hashes[name.strip().lstrip("*").removeprefix("./")] = digest.lower()
    return hashes


def _is_fetched(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in FETCHED) and name not in NOT_FETCHED
