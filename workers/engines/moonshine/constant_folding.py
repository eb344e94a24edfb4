"""
Constant folding of Moonshine's published graphs, done once, so that they run seven to eight times faster.

The published graphs keep every weight as 8-bit integers and convert it to floats (Cast, Mul, Add, Transpose) at
every step of the decoder, which takes nine tenths of the time.  This module does that arithmetic once, splits the
merged decoder into a graph that runs once for an utterance (`cross.onnx`) and a graph that runs once for a token
(`step.onnx`), leaves out the tokens that English text has not, quantises the matrix products in the form that
onnxruntime runs fast, and simplifies the result.
"""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from ..common.download import Progress
from .alignment import ATTENTIONS, LAYERS
from .english_tokens import english, with_tokens
from .onnx_format import (
    FLOAT,
    MESSAGES,
    Graph,
    Node,
    Values,
    attributes,
    float_output,
    initial,
    make_node,
    read,
    write,
)
from .quantisation import quantised
from .simplification import AS_THEY_ARE, SIMPLER, Change, without_unused
from .tokens import read_pieces
from .weights import DECODER, ENCODER, TOKENIZER


def main(folder: Path) -> None:
    """Fold the vendor's files in `folder` and write the results there; print the progress, 0 to 1, to stdout."""

    def notify(_: str, part: float) -> None:
        sys.stdout.write(f"{part}\n")
        sys.stdout.flush()

    tokens = english(read_pieces(folder / TOKENIZER))
    fold(folder / ENCODER, folder / DECODER, tokens, folder, notify)


def fold(
    encoder: Path,
    decoder: Path,
    tokens: Sequence[int],
    target: Path,
    progress: Progress,
    *,
    simple: bool = True,
) -> None:
    """
    Write `encoder.onnx`, `cross.onnx` and `step.onnx` into `target`.  Takes 10 to 20 s and 1.2 GB of memory.

    `tokens`: those that are kept.  `simple`: with `simplification`; without it only to compare.
    """
    changes = SIMPLER if simple else AS_THEY_ARE
    with tempfile.TemporaryDirectory() as name:
        build_dir = Path(name)
        progress("folding the weights", 0.0)
        _write(
            folded(_read(encoder, build_dir)), target / "encoder.onnx", build_dir, changes.encoder
        )
        progress("folding the weights", 0.3)
        whole = folded(_read(decoder, build_dir))
        cross = _branch(whole, "else_branch", lambda output: ".encoder." in output)
        cross = with_known_shapes(folded(cross))
        _write(cross, target / "cross.onnx", build_dir, changes.cross)
        progress("folding the weights", 0.6)
        step = _branch(whole, "then_branch", lambda output: ".encoder." not in output)
        step = with_tokens(with_attentions(with_known_shapes(folded(step))), tokens)
        _write(step, target / "step.onnx", build_dir, changes.step)
        progress("folding the weights", 1.0)


def folded(graph: Graph) -> Graph:
    """The same graph with every Cast, Mul, Add and Transpose of known values computed."""
    values, nodes = dict(graph.values), list(graph.nodes)
    left = -1
    while left != len(nodes):
        left = len(nodes)
        nodes = [node for node in nodes if not _known(node, values)]
    return replace(graph, nodes=tuple(nodes), values=values)


def with_known_shapes(graph: Graph) -> Graph:
    """
    The same graph with constant target shapes of Reshape: `[batch, -1, 8, 52]` becomes `[0, -1, 8, 52]`.

    Zero copies a dimension of the input.  Moonshine's reshapes only split or join the last dimension, so the others
    keep their place.  Computing the shapes is most of the nodes, and would pull the decoder into `cross.onnx`.
    """
    made = {name: node for node in graph.nodes for name in node.output}
    values, nodes = dict(graph.values), []
    for node in graph.nodes:
        shape = _shape(node.input[1], made, values) if node.op_type == "Reshape" else None
        if shape is None:
            nodes.append(node)
            continue
        name = f"{node.output[0]}_shape"
        values[name] = np.array(shape, dtype=np.int64)
        nodes.append(make_node("Reshape", [node.input[0], name], list(node.output), node.name))
    return replace(graph, nodes=tuple(nodes), values=values)


def with_attentions(graph: Graph) -> Graph:
    """The same graph with the cross-attentions of some layers as further outputs, for the times of words."""
    made = {node.name: node.output[0] for node in graph.nodes if node.op_type == "Softmax"}
    found = [made[f"/model/decoder/layers.{layer}/encoder_attn/Softmax"] for layer in LAYERS]
    nodes = [
        make_node("Identity", [inner], [outer])
        for inner, outer in zip(found, ATTENTIONS, strict=True)
    ]
    outputs = [float_output(name) for name in ATTENTIONS]
    return replace(graph, nodes=(*graph.nodes, *nodes), outputs=(*graph.outputs, *outputs))


def _known(node: Node, values: dict[str, npt.NDArray[Any]]) -> bool:
    """Whether the result of `node` is constant; if so, add it to `values`."""
    if not node.input or not all(name in values for name in node.input):
        return False
    outcome = _compute(node, [values[name] for name in node.input])
    if outcome is None or outcome.size == 1:
        return False
    values[node.output[0]] = np.ascontiguousarray(outcome)
    return True


def _compute(node: Node, operands: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
    """The result of `node`, or None for an operation that stays in the graph."""
    given = attributes(node)
    match node.op_type:
        case "Cast" if given["to"] == FLOAT:
            return operands[0].astype(np.float32)
        case "Mul":
            return np.asarray(operands[0] * operands[1])
        case "Add":
            return np.asarray(operands[0] + operands[1])
        case "Transpose":
            return np.transpose(operands[0], given.get("perm"))
        case _:
            return None


def _shape(name: str, made: Mapping[str, Node], values: Values) -> list[int] | None:
    """The shape that a Concat builds, with 0 for each computed dimension; None for any other node."""
    concat = made.get(name)
    if concat is None or concat.op_type != "Concat":
        return None
    computed = [each for each in concat.input if each not in values]
    if not computed or any(made[each].op_type != "Unsqueeze" for each in computed):
        return None
    return [0 if each in computed else int(values[each].item()) for each in concat.input]


def _branch(graph: Graph, name: str, wanted: Callable[[str], bool]) -> Graph:
    """
    One branch of the decoder's only If, as a separate graph with the `wanted` outputs of the whole graph.

    Names inside a branch may shadow names outside, so all computed names are renamed.
    """
    choice = next(node for node in graph.nodes if node.op_type == "If")
    body = next(each.g for each in choice.attribute if each.name == name)
    computed = {output for node in body.node for output in node.output if output}
    nodes = [_renamed(node, computed) for node in body.node]
    outputs = []
    for inner, outer in zip(body.output, graph.outputs, strict=True):
        if wanted(outer.name):
            here = f"branch/{inner.name}" if inner.name in computed else inner.name
            nodes.append(make_node("Identity", [here], [outer.name]))
            outputs.append(outer)
    values = {**graph.values, **initial(body)}
    return replace(graph, nodes=tuple(nodes), values=values, outputs=tuple(outputs))


def _renamed(node: Node, names: set[str]) -> Node:
    copy = MESSAGES["NodeProto"]()
    copy.CopyFrom(node)
    for there in (copy.input, copy.output):
        for index, name in enumerate(there):
            if name in names:
                there[index] = f"branch/{name}"
    return copy


def _read(path: Path, build_dir: Path) -> Graph:
    """Read an .ort file; only onnxruntime can read this format, so it converts the file to ONNX."""
    plain = build_dir / "plain.onnx"
    options = _options(onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, plain)
    options.add_session_config_entry("session.save_model_format", "ONNX")
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return read(plain, ("", "com.microsoft"))


def _write(graph: Graph, target: Path, build_dir: Path, change: Change) -> None:
    """Write the nodes that the outputs need, with 8-bit products, changed, and simplified by onnxruntime."""
    write(change(quantised(without_unused(graph))), build_dir / "pruned.onnx")
    options = _options(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC, target)
    onnxruntime.InferenceSession(
        str(build_dir / "pruned.onnx"), options, providers=["CPUExecutionProvider"]
    )


def _options(level: onnxruntime.GraphOptimizationLevel, target: Path) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 3
    return options


if __name__ == "__main__":
    main(Path(sys.argv[1]))
