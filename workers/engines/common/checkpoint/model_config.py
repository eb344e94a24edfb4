"""Checks the JSON files of a model: no keys that name code, and a config of the expected kind and size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import CheckpointError
from .model_family import ModelFamily

MOST_LAYERS = 512
LARGEST_SIZE = 1 << 20
"""Limits on the sizes in a config, because modules are built before the weights are compared with them."""

_FORBIDDEN_KEYS = frozenset(
    {
        "auto_map", "trust_remote_code", "custom_generate", "custom_pipelines", "quantization_config",
        "kernel_config", "base_model_name_or_path", "attn_implementation",
    }
)  # fmt: skip


def refuse_keys(path: Path, document: object) -> None:
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


def check_config(family: ModelFamily, folder: Path, config: dict[str, Any]) -> None:
    """Check that the config describes a model of `family`, without adapters, within the size limits."""
    if config.get("model_type") != family.model_type:
        raise CheckpointError(f"{folder}: config.json is not of the kind {family.model_type}")
    _check_parts(family, folder, config)
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


def _check_parts(family: ModelFamily, folder: Path, config: dict[str, Any]) -> None:
    """Check that the parts of the model have the types that this engine runs."""
    for part, kind in family.parts.items():
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
