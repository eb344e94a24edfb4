"""
Finds the files of a model and checks that they are safe to load.

A checkpoint comes from outside and is not trusted.  All checks run before torch or transformers is imported, and no
code in the folder is ever imported: weights are safetensors, the rest is JSON.  Anything that could make a library
run code or download more files is refused, with one line of text.
"""

from .errors import CheckpointError
from .inspection import ModelCheckpoint, inspect
from .location import fetched, is_local, locate, obstacle

__all__ = [
    "CheckpointError",
    "ModelCheckpoint",
    "fetched",
    "inspect",
    "is_local",
    "locate",
    "obstacle",
]
