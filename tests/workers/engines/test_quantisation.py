"""Products of 8 bits are those that onnxruntime's own tool makes."""

from pathlib import Path

import numpy as np
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic
from support.onnx_graphs import float_info, node_of, opset, run

from workers.engines.moonshine.onnx_format import Graph, read, write
from workers.engines.moonshine.quantisation import channels_in_8_bits, quantised

_RANDOM = np.random.default_rng(1)
_FIRST = _RANDOM.normal(size=(6, 5)).astype(np.float32)
_SECOND = _RANDOM.normal(size=(6, 4)).astype(np.float32)
_SECOND[:, 2] = 0  # a channel that nothing reaches

PRODUCTS = Graph(
    nodes=(
        node_of("MatMul", ["x", "first"], ["a"], name="one"),
        node_of("MatMul", ["x", "second"], ["b"], name="two"),
        node_of("Transpose", ["a"], ["turned"], perm=[1, 0]),
        node_of("MatMul", ["turned", "b"], ["y"], name="of what is computed"),
    ),
    values={"first": _FIRST, "second": _SECOND},
    inputs=(float_info("x", ["n", 6]),),
    outputs=(float_info("y", [5, 4]),),
    opsets=(opset(14),),
)
X = _RANDOM.normal(size=(7, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """The graph as `quantize_dynamic` makes it."""
    folder: Path = tmp_path_factory.mktemp("graphs")
    write(PRODUCTS, folder / "plain.onnx")
    quantize_dynamic(
        folder / "plain.onnx",
        folder / "reference.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul"],
    )
    return read(folder / "reference.onnx")


def test_the_nodes_and_weights_are_those_of_the_tool(reference: Graph) -> None:
    ours = quantised(PRODUCTS)

    assert _described(ours) == _described(reference)
    assert ours.values.keys() == reference.values.keys()
    for name, value in reference.values.items():
        assert ours.values[name].dtype == value.dtype
        assert np.array_equal(ours.values[name], value), name


def _described(graph: Graph) -> list[tuple[str, ...]]:
    """The nodes, in any order: both orders are correct."""
    return sorted((one.op_type, one.name, *one.input, *one.output) for one in graph.nodes)


def test_the_results_are_those_of_the_tool(reference: Graph) -> None:
    assert np.array_equal(run(quantised(PRODUCTS), X), run(reference, X))


def test_no_weight_is_wrong_by_more_than_half_a_step() -> None:
    stored, scale = channels_in_8_bits(_FIRST)

    assert (np.abs(stored * scale - _FIRST) <= scale / 2 + 1e-6).all()
