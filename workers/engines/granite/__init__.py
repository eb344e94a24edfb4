"""
IBM Granite Speech: live partials from its encoder, keyword-biased finals from its language model.

`load(GraniteSettings(...))` needs the optional extra `granite` (torch, transformers, safetensors); importing this
package does not.
"""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from .checkpoint import CheckpointError, obstacle
from .settings import Drafts, GraniteSettings

if TYPE_CHECKING:
    from .engine import GraniteEngine

__all__ = ["CheckpointError", "Drafts", "GraniteSettings", "load", "obstacle"]


def load(settings: GraniteSettings | None = None, **options: object) -> "GraniteEngine":
    """
    The engine, warm: as `settings` say, or else `options` (their fields).  Reads no environment.

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

    return load_parts(settings or _chosen(options))


def _chosen(options: dict[str, object]) -> GraniteSettings:
    """Settings from `model=...`; CheckpointError names the one that cannot be."""
    texts = {name: str(one) if name == "model" else one for name, one in options.items()}
    try:
        return GraniteSettings.model_validate(texts)
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)[0]
        raise CheckpointError(f"granite.{wrong['loc'][0]}: {wrong['msg']}") from exc
