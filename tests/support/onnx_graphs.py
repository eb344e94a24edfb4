"""Graphs for the tests of the folding, made and checked by the package `onnx`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from workers.engines.moonshine.onnx_format import (
    MESSAGES,
    Graph,
    Node,
    OperatorSet,
    ValueInfo,
    write,
)


def node_of(operation: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Node:
    """A node as `onnx` makes it."""
    return _ours(helper.make_node(operation, inputs, outputs, **attributes))


def float_info(name: str, shape: list[str | int]) -> ValueInfo:
    """An input or output of floats."""
    return _ours(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def opset(version: int) -> OperatorSet:
    """The standard operators."""
    return _ours(helper.make_opsetid("", version))


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The output of a graph for `x`, by onnxruntime, of a file that `onnx` finds correct."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        write(graph, path)
        onnx.checker.check_model(onnx.load(path), full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"x": x})[0]
    return found


def _ours(message: Any) -> Any:  # a message of `onnx`
    return MESSAGES[type(message).__name__].FromString(message.SerializeToString())
