from pathlib import Path

import numpy as np
from onnx import TensorProto
from support.onnx_graphs import float_info, node_of, opset, run

from workers.engines.moonshine.constant_folding import folded, with_known_shapes
from workers.engines.moonshine.onnx_format import Graph

STORED = np.array([[1, 2], [3, -4]], dtype=np.int8)
SCALE = np.array([[0.5, 0.25]], dtype=np.float32)
ZERO = np.array([[1.0, 0.0]], dtype=np.float32)

STORED_AS_INTEGERS = Graph(
    nodes=(
        node_of("Cast", ["stored"], ["float"], to=TensorProto.FLOAT),
        node_of("Mul", ["float", "scale"], ["scaled"]),
        node_of("Add", ["scaled", "zero"], ["moved"]),
        node_of("Transpose", ["moved"], ["weight"], perm=[1, 0]),
        node_of("MatMul", ["x", "weight"], ["y"]),
    ),
    values={"stored": STORED, "scale": SCALE, "zero": ZERO},
    inputs=(float_info("x", ["n", 2]),),
    outputs=(float_info("y", ["n", 2]),),
    opsets=(opset(17),),
)

PARTED_INTO_HEADS = Graph(
    nodes=(
        node_of("Shape", ["x"], ["shape"]),
        node_of("Gather", ["shape", "first"], ["batch"]),
        node_of("Unsqueeze", ["batch", "axes"], ["batch_1"]),
        node_of("Concat", ["batch_1", "rest", "heads"], ["target"], axis=0),
        node_of("Reshape", ["x", "target"], ["y"]),
    ),
    values={
        "first": np.array(0),
        "axes": np.array([0]),
        "rest": np.array([-1]),
        "heads": np.array([2]),
    },
    inputs=(float_info("x", ["n", 6]),),
    outputs=(float_info("y", ["n", 3, 2]),),
    opsets=(opset(17),),
)


def test_arithmetic_on_known_weights_is_done_and_the_outcome_stays() -> None:
    x = np.array([[1.0, 2.0], [3.0, 5.0]], dtype=np.float32)

    after = folded(STORED_AS_INTEGERS)

    assert [node.op_type for node in after.nodes] == ["MatMul"]
    assert np.array_equal(after.values["weight"], (STORED * SCALE + ZERO).T)
    assert np.array_equal(run(after, x), run(STORED_AS_INTEGERS, x))


def test_arithmetic_on_what_comes_in_is_left_alone() -> None:
    graph = Graph(
        nodes=(node_of("Mul", ["x", "scale"], ["y"]),),
        values={"scale": SCALE},
        inputs=STORED_AS_INTEGERS.inputs,
        outputs=STORED_AS_INTEGERS.outputs,
        opsets=STORED_AS_INTEGERS.opsets,
    )

    assert folded(graph) == graph


def test_a_computed_shape_is_written_down() -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)

    after = with_known_shapes(PARTED_INTO_HEADS)

    assert after.values["y_shape"].tolist() == [0, -1, 2]
    assert np.array_equal(run(after, x), run(PARTED_INTO_HEADS, x))


def test_a_shape_that_cannot_be_known_is_left_alone(tmp_path: Path) -> None:
    nodes = list(PARTED_INTO_HEADS.nodes)
    nodes[3] = node_of("Concat", ["shape", "heads"], ["target"], axis=0)
    graph = Graph(
        tuple(nodes),
        PARTED_INTO_HEADS.values,
        PARTED_INTO_HEADS.inputs,
        PARTED_INTO_HEADS.outputs,
        PARTED_INTO_HEADS.opsets,
    )

    assert with_known_shapes(graph).nodes == graph.nodes
