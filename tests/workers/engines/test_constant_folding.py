from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from workers.engines.moonshine.constant_folding import Graph, folded, with_known_shapes

STORED = np.array([[1, 2], [3, -4]], dtype=np.int8)
SCALE = np.array([[0.5, 0.25]], dtype=np.float32)
ZERO = np.array([[1.0, 0.0]], dtype=np.float32)

STORED_AS_INTEGERS = Graph(
    nodes=(
        helper.make_node("Cast", ["stored"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "zero"], ["moved"]),
        helper.make_node("Transpose", ["moved"], ["weight"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "weight"], ["y"]),
    ),
    values={"stored": STORED, "scale": SCALE, "zero": ZERO},
    inputs=(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2]),),
    outputs=(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2]),),
    opsets=(helper.make_opsetid("", 17),),
)

PARTED_INTO_HEADS = Graph(
    nodes=(
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["batch_1"]),
        helper.make_node("Concat", ["batch_1", "rest", "heads"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ),
    values={
        "first": np.array(0),
        "axes": np.array([0]),
        "rest": np.array([-1]),
        "heads": np.array([2]),
    },
    inputs=(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6]),),
    outputs=(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 2]),),
    opsets=(helper.make_opsetid("", 17),),
)


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    """The output of a graph for `x`, by onnxruntime."""
    known = [numpy_helper.from_array(value, name) for name, value in graph.values.items()]
    body = helper.make_graph(graph.nodes, "g", graph.inputs, graph.outputs, known)
    model = helper.make_model(body, opset_imports=graph.opsets, ir_version=9)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    folded: np.ndarray = session.run(None, {"x": x})[0]
    return folded


def test_arithmetic_on_known_weights_is_done_and_the_outcome_stays() -> None:
    x = np.array([[1.0, 2.0], [3.0, 5.0]], dtype=np.float32)

    after = folded(STORED_AS_INTEGERS)

    assert [node.op_type for node in after.nodes] == ["MatMul"]
    assert np.array_equal(after.values["weight"], (STORED * SCALE + ZERO).T)
    assert np.array_equal(run(after, x), run(STORED_AS_INTEGERS, x))


def test_arithmetic_on_what_comes_in_is_left_alone() -> None:
    graph = Graph(
        nodes=(helper.make_node("Mul", ["x", "scale"], ["y"]),),
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
    nodes[3] = helper.make_node("Concat", ["shape", "heads"], ["target"], axis=0)
    graph = Graph(
        tuple(nodes),
        PARTED_INTO_HEADS.values,
        PARTED_INTO_HEADS.inputs,
        PARTED_INTO_HEADS.outputs,
        PARTED_INTO_HEADS.opsets,
    )

    assert with_known_shapes(graph).nodes == graph.nodes
