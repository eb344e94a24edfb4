"""
The IBM Granite Speech engine: partials from its encoder, keyword-biased finals from its language model.

`load(GraniteSettings(...))` needs the optional extra `granite` (torch, transformers, safetensors).  Importing this
package does not need it.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pydantic import ValidationError

from .checkpoint import CheckpointError, fetched, obstacle
from .settings import Drafts, GraniteSettings

if TYPE_CHECKING:
    from .engine import GraniteEngine

_MODULES = ("torch", "transformers")
_NO_EXTRA = "the engine `granite` needs its extra: pip install 'trunkline[granite]'"

__all__ = ["CheckpointError", "Drafts", "GraniteSettings", "load", "obstacle"]


def load(settings: GraniteSettings | None = None, **options: object) -> "GraniteEngine":
    """
    Load and warm up the engine with `settings`, or else with `options` (fields of GraniteSettings).

    The files are checked before torch and transformers are imported, which takes seconds.  Reads no environment
    variables.  Raises CheckpointError, with one line of text, when the model cannot be used.
    """
    chosen = settings or _chosen(options)
    if not all(map(find_spec, _MODULES)):
        raise CheckpointError(_NO_EXTRA)
    checkpoint = fetched(chosen.model, chosen.revision, chosen.cache, chosen.manifest)
    try:
        for module in _MODULES:
            import_module(module)
    except ImportError as exc:
        raise CheckpointError(_NO_EXTRA) from exc
    from .loading import load as load_parts  # noqa: PLC0415

    return load_parts(chosen, checkpoint)


def _chosen(options: dict[str, object]) -> GraniteSettings:
    """Settings from keyword arguments.  Raises CheckpointError, which names the first invalid setting."""
    texts = {name: str(one) if name == "model" else one for name, one in options.items()}
    try:
        return GraniteSettings.model_validate(texts)
    except ValidationError as exc:
        wrong = exc.errors(include_input=False, include_url=False)[0]
        raise CheckpointError(f"granite.{wrong['loc'][0]}: {wrong['msg']}") from exc
