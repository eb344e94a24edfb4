"""
IBM Granite Speech: live partials from its encoder, keyword-biased finals from its language model.

`load(GraniteSettings(...))` needs the optional extra `granite` (torch, transformers, safetensors); importing this
package does not.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .checkpoint import CheckpointError
from .settings import Drafts, GraniteSettings

if TYPE_CHECKING:
    from .engine import GraniteEngine

__all__ = ["CheckpointError", "Drafts", "GraniteSettings", "load", "load_from_environment"]


def load(settings: GraniteSettings | None = None) -> "GraniteEngine":
    """The engine, warm; CheckpointError says in one line why the model cannot be taken."""
    try:
        import torch  # noqa: F401, PLC0415 - the optional extra
        import transformers  # noqa: F401, PLC0415
    except ImportError as exc:
        raise CheckpointError(
            "the engine `granite` needs the extra: pip install 'trunkline[granite]'"
        ) from exc
    from .loading import load as load_parts  # noqa: PLC0415

    return load_parts(settings)


def load_from_environment(environment: Mapping[str, str]) -> "GraniteEngine":
    """The engine that `TRUNKLINE_GRANITE_*` describes."""
    return load(GraniteSettings.from_environment(environment))
