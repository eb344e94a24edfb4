"""Loads the weights of a checked model folder with transformers, and compares them with its config."""

# ruff: noqa: ANN401 - torch and transformers are optional extras: their models have no types here

from collections.abc import Callable
from typing import Any

from ..memory import is_out_of_memory
from .errors import CheckpointError
from .inspection import ModelCheckpoint


def pretrained(
    model_class: Any,
    checkpoint: ModelCheckpoint,
    dtype: Any,
    is_needed: Callable[[str], bool] = lambda _: True,
) -> Any:
    """
    Load a model of transformers from safetensors, for inference only.

    `model_class`: the class of transformers; `dtype`: of torch; `is_needed`: whether a tensor of the files that the
    model does not have is an error, by its name.  Raises CheckpointError when the weights are damaged or do not fit
    the config.  Out of memory: passes on the library's error.
    """
    from transformers import logging  # noqa: PLC0415 - seconds to import

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # its table of damage has a line per tensor; ours is one line
    folder = checkpoint.folder
    try:
        pair: Any = model_class.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True,
            trust_remote_code=False, output_loading_info=True,
        )  # fmt: skip
    except Exception as exc:  # damaged files make transformers raise anything there is
        if is_out_of_memory(exc):
            raise
        raise CheckpointError(f"{folder}: {type(exc).__name__} while loading the weights") from exc
    model, report = pair  # with `output_loading_info`; transformers declares the model alone
    unused = [key for key in report["unexpected_keys"] if is_needed(str(key))]
    if lacking := report["missing_keys"] or report["mismatched_keys"] or unused:
        raise CheckpointError(f"{folder}: weights do not fit the config, {min(map(str, lacking))}")
    return model.eval().requires_grad_(requires_grad=False)
