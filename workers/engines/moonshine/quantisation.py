"""
Matrix products of 8 bits in place of those of floats, in the form that onnxruntime runs fast.

The same arithmetic as `onnxruntime.quantization.quantize_dynamic` with weights of int8 for each channel, which
needs the package `onnx` and takes most of the time of the folding; tests compare the two.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .onnx_format import FLOAT, Graph, Node, make_node

_LARGEST = 127
"""Largest 8-bit weight: the range is symmetric."""


def quantised(graph: Graph) -> Graph:
    """The same graph with every MatMul by a known matrix of floats done in 8 bits."""
    values, nodes = dict(graph.values), list[Node]()
    scaled = set[str]()
    for one in graph.nodes:
        weight = values.get(one.input[1]) if one.op_type == "MatMul" else None
        if weight is None or weight.dtype != np.float32:
            nodes.append(one)
            continue
        if one.input[0] not in scaled:
            scaled.add(one.input[0])
            nodes.append(_scaling(one.input[0]))
        nodes += _product(one)
        values |= _weights(one.input[1], weight, values)
    return _without_unused(replace(graph, nodes=tuple(nodes), values=values))


def channels_in_8_bits(
    weight: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """
    Return the weights in 8 bits, and the scale of each channel, `[out]`.

    `weight`: `[in, out]`.
    """
    largest = np.abs(weight).max(axis=0).astype(np.float64)
    scale = (largest / _LARGEST).astype(np.float32)
    scale[scale < np.finfo(np.float32).tiny] = 1.0  # a channel of zeros
    return np.rint(weight / scale).clip(-_LARGEST - 1, _LARGEST).astype(np.int8), scale


def _weights(name: str, weight: npt.NDArray[Any], known: dict[str, Any]) -> dict[str, Any]:
    if f"{name}_quantized" in known:
        return {}
    stored, scale = channels_in_8_bits(weight)
    return {
        f"{name}_quantized": stored,
        f"{name}_scale": scale,
        f"{name}_zero_point": np.zeros(len(scale), np.int8),
    }


def _scaling(name: str) -> Node:
    """A node that brings the input of one or several products to 8 bits, with the scale of its values."""
    outputs = [f"{name}_quantized", f"{name}_scale", f"{name}_zero_point"]
    return make_node("DynamicQuantizeLinear", [name], outputs, f"{name}_QuantizeLinear")


def _product(one: Node) -> Iterator[Node]:
    """The nodes in place of a MatMul: its integers, these as floats, both scales, and the output."""
    left, right = one.input
    (output,) = one.output
    name, whole = f"{one.name}_quant", f"{output}_output_quantized"
    scale = f"{name}_scales_mul:0"
    operands = [f"{left}_quantized", f"{right}_quantized"]
    zeros = [f"{left}_zero_point", f"{right}_zero_point"]
    yield make_node("MatMulInteger", [*operands, *zeros], [whole], name)
    yield make_node("Cast", [whole], [f"{whole}_cast_output"], f"{whole}_cast", to=FLOAT)
    yield make_node("Mul", [f"{left}_scale", f"{right}_scale"], [scale], f"{name}_scales_mul")
    yield make_node("Mul", [f"{whole}_cast_output", scale], [output], f"{name}_output_scale_mul")


def _without_unused(graph: Graph) -> Graph:
    used = {name for one in graph.nodes for name in one.input}
    used |= {one.name for one in graph.outputs}
    kept = {name: value for name, value in graph.values.items() if name in used}
    return replace(graph, values=kept)
