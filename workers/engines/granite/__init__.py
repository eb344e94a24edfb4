"""
IBM Granite Speech: live partials from its encoder, keyword-biased finals from its language model.

`load(GraniteSettings(...))` needs the optional extra `granite` (torch, transformers, safetensors); importing this
package does not.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .checkpoint import CheckpointError, obstacle
from .settings import PREFIX, Drafts, GraniteSettings

if TYPE_CHECKING:
    from .engine import GraniteEngine

__all__ = ["CheckpointError", "Drafts", "GraniteSettings", "load", "obstacle"]


def load(settings: GraniteSettings | None = None, **options: object) -> "GraniteEngine":
    """
    The engine, warm: as `settings` say, or `options` (their fields), or else `TRUNKLINE_GRANITE_*`.

    CheckpointError says in one line why the model cannot be taken.
    """
    try:
        import torch  # noqa: F401, PLC0415 - the optional extra
        import transformers  # noqa: F401, PLC0415
    except ImportError as exc:
        raise CheckpointError(
            "the engine `granite` needs its extra: pip install 'trunkline[granite]'"
        ) from exc
    from .loading import load as load_parts  # noqa: PLC0415

    if settings is None:
        # Whoever loads engines by name knows no settings of one of them: here is the edge where they are read.
        settings = _said(options or os.environ)
    return load_parts(settings)


def _said(words: Mapping[str, object]) -> GraniteSettings:
    """Settings from `model=...` as from `TRUNKLINE_GRANITE_MODEL=...`: texts, read and checked in one place."""
    texts = {
        name if name.isupper() else f"{PREFIX}{name.upper()}": str(value)
        for name, value in words.items()
        if value is not None
    }
    try:
        return GraniteSettings.from_environment(texts)
    except ValueError as exc:
        raise CheckpointError(str(exc)) from exc
