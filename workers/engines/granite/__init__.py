"""
IBM Granite Speech: live partials from its encoder, keyword-biased finals from its language model.

`load(GraniteSettings(...))` needs the optional extra `granite` (torch, transformers, safetensors); importing this
package does not.
"""

import os
from typing import TYPE_CHECKING, Any

from .checkpoint import CheckpointError, obstacle
from .settings import Drafts, GraniteSettings

if TYPE_CHECKING:
    from .engine import GraniteEngine

__all__ = ["CheckpointError", "Drafts", "GraniteSettings", "load", "obstacle"]


def load(settings: GraniteSettings | None = None, **options: Any) -> "GraniteEngine":  # noqa: ANN401 - fields of GraniteSettings
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
        settings = GraniteSettings(**options) if options else _from_environment()
    return load_parts(settings)


def _from_environment() -> GraniteSettings:
    try:
        return GraniteSettings.from_environment(os.environ)
    except ValueError as exc:
        raise CheckpointError(str(exc)) from exc
