"""
Reads the constants of an ONNX model file without the package `onnx`, which costs a gateway 13 MB and half a second.

An ONNX file is one protobuf message (https://protobuf.dev/programming-guides/encoding/); the numbers of its fields
are in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Field = tuple[int, bytes | int]
"""Number of a field, and its value: a number, or the bytes of a text, of an array or of another message."""

_GRAPH, _NODE = 7, 1
_OUTPUT, _OP_TYPE, _ATTRIBUTE = 2, 4, 5
_NAME, _TENSOR, _SUBGRAPH = 1, 5, 6
_DIMS, _DATA_TYPE, _RAW_DATA = 1, 2, 9
_FLOAT = 1
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
"""Bytes of the other kinds of values."""


def read_constants(model: bytes, branch: str) -> dict[str, Floats]:
    """
    Return the float32 constants of a branch of each `If` of the model, by the names of their outputs.

    `branch`: `then_branch` or `else_branch`.  Raises ValueError or IndexError for bytes that are no such file.
    """
    constants: dict[str, Floats] = {}
    for graph in _messages(model, _GRAPH):
        for node in _messages(graph, _NODE):
            for attribute in _messages(node, _ATTRIBUTE):
                if _text(attribute, _NAME) == branch:
                    for subgraph in _messages(attribute, _SUBGRAPH):
                        constants |= _constants(subgraph)
    return constants


def _constants(graph: bytes) -> dict[str, Floats]:
    return {
        _text(node, _OUTPUT): values
        for node in _messages(graph, _NODE)
        if _text(node, _OP_TYPE) == "Constant"
        for attribute in _messages(node, _ATTRIBUTE)
        for tensor in _messages(attribute, _TENSOR)
        if (values := _array(tensor)) is not None
    }


def _array(tensor: bytes) -> Floats | None:
    """Return the values of a float32 tensor; None for another type."""
    dims: list[int] = []
    raw, kind = b"", 0
    for number, value in _fields(tensor):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else _varints(value)
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif number == _RAW_DATA and isinstance(value, bytes):
            raw = value
    if kind != _FLOAT:
        return None
    return np.frombuffer(raw, dtype="<f4").reshape(dims).astype(np.float32)


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    for number, value in _fields(message):
        if number == wanted and isinstance(value, bytes):
            yield value


def _text(message: bytes, wanted: int) -> str:
    return next(_messages(message, wanted), b"").decode()


def _fields(message: bytes) -> Iterator[Field]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif kind == _LENGTH:
            size, at = _varint(message, at)
            yield number, message[at : at + size]
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise ValueError("not an ONNX file")


def _varints(packed: bytes) -> list[int]:
    values, at = [], 0
    while at < len(packed):
        value, at = _varint(packed, at)
        values.append(value)
    return values


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number in groups of seven bits, the lowest first, and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
