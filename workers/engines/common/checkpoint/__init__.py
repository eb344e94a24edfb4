"""
Finds the files of a model and checks that they are safe to load.

A checkpoint comes from outside and is not trusted.  All checks run before torch or transformers is imported, and no
code in the folder is ever imported: weights are safetensors, the rest is JSON.  Anything that could make a library
run code or download more files is refused, with one line of text.
"""

from .errors import CheckpointError
from .inspection import ModelCheckpoint, inspect
from .location import fetched, is_local, locate, obstacle
from .model_family import JSON_AND_WEIGHTS, ModelFamily, Pin, parsed

__all__ = [
    "JSON_AND_WEIGHTS",
    "CheckpointError",
    "ModelCheckpoint",
    "ModelFamily",
    "Pin",
    "fetched",
    "inspect",
    "is_local",
    "locate",
    "obstacle",
    "parsed",
]
