"""
Fewer nodes and less copying in Moonshine's graphs, with the same results.

A run of the decoder for one token is a thousand nodes, of which most are small: they compute the same at every run,
or copy.  The keys of the encoder were transposed and scaled at every run, and are now once for each utterance.  No
value changes, but for the sign of zeros (`tests/workers/engines/test_simplification.py`).  Pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .onnx_format import FLOAT, Graph, Node, Values, attributes, float_output, make_node

_HEAD_SIZE = 52

_TURNED = 32
"""Values of each head that the rotary position embedding turns, in pairs (Su et al., arXiv 2104.09864)."""

_SCALE, _TURN = "attention_scale", "quarter_turn"
_KEYS = ".encoder.key"
_SCALE_CHAIN = ("Sqrt", "Div", "Sqrt", "Cast", "Slice")
_BESIDE, _ACROSS = (0, 2, 1, 3), (0, 2, 3, 1)
"""From `[batch, frames, heads, size]` to `[batch, heads, frames, size]` and to `[batch, heads, size, frames]`."""


Change = Callable[[Graph], Graph]


def simplified(graph: Graph) -> Graph:
    """The same graph with one scale, one mask, short rotations, joined products, and outputs not copied."""
    for change in (
        with_one_scale,
        with_one_mask,
        with_turns,
        with_joined_products,
        without_copies,
    ):
        graph = change(graph)
    return graph


def simplified_step(graph: Graph) -> Graph:
    """The graph that runs once for a token, simplified, with keys as `with_keys_made_across` makes them."""
    return with_keys_taken_across(simplified(graph))


def with_one_scale(graph: Graph) -> Graph:
    """
    The same graph with the scale of queries and keys computed once, not in each layer from the size of the heads.

    As a known value, onnxruntime would scale the products in place of their factors, which rounds otherwise.
    """
    made = makers(graph)
    scales = [node for node in graph.nodes if _ends(node, _SCALE_CHAIN, made)]
    return _instead(graph, {node.output[0]: scales[0].output[0] for node in scales[1:]})


def with_one_mask(graph: Graph) -> Graph:
    """The same graph with one mask for all layers, which have decoded equally many tokens."""
    made = makers(graph)
    masks = [
        node
        for node in graph.nodes
        if node.op_type == "Slice" and _operation(node.input[0], made) == "Expand"
    ]
    return _instead(graph, {node.output[0]: masks[0].output[0] for node in masks[1:]})


def with_turns(graph: Graph) -> Graph:
    """
    The same graph with one product by a matrix where pairs `(a, b)` become `(-b, a)`.

    Nine nodes slice, negate, join and reshape.  Each value of the product is one value times 1 or -1, plus zeros.
    """
    made, nodes = makers(graph), list[Node]()
    for node in graph.nodes:
        pairs = _turned_pairs(node, made)
        nodes.append(make_node("MatMul", [pairs, _TURN], list(node.output)) if pairs else node)
    return replace(graph, nodes=tuple(nodes), values={**graph.values, _TURN: _quarter_turn()})


def with_joined_products(graph: Graph) -> Graph:
    """The same graph with the 8-bit products of the same values by several matrices done in one."""
    products = dict[str, list[Node]]()
    for node in graph.nodes:
        if node.op_type == "MatMulInteger":
            products.setdefault(node.input[0], []).append(node)
    for same in products.values():
        if len(same) > 1:
            graph = _joined(graph, same)
    return without_unused(graph)


def without_copies(graph: Graph) -> Graph:
    """The same graph with its outputs written by the nodes that compute them, not copied by an Identity."""
    copies = [node for node in graph.nodes if node.op_type == "Identity"]
    names = {node.input[0]: node.output[0] for node in copies}
    nodes = [_with_names(node, names) for node in graph.nodes if node.op_type != "Identity"]
    return replace(graph, nodes=tuple(nodes))


def with_keys_made_across(graph: Graph) -> Graph:
    """The graph that runs once for an utterance, with the keys that `with_keys_taken_across` takes."""
    graph, nodes = without_copies(graph), list[Node]()
    for node in graph.nodes:
        if not _is_key(node.output[0]):
            nodes.append(node)
            continue
        assert node.op_type == "Transpose", node.op_type
        assert attributes(node)["perm"] == _BESIDE
        across = f"{node.output[0]}_across"
        nodes.append(make_node("Transpose", list(node.input), [across], node.name, perm=_ACROSS))
        nodes.append(make_node("Mul", [across, _SCALE], list(node.output)))
    outputs = [float_output(one.name) for one in graph.outputs]
    return replace(
        graph, nodes=tuple(nodes), values=_with_scale(graph.values), outputs=tuple(outputs)
    )


def with_keys_taken_across(graph: Graph) -> Graph:
    """
    The graph that runs once for a token, with the encoder's keys as products need them.

    They come transposed and scaled, so that no run has to do it again.
    """
    made = makers(graph)
    names = dict[str, str]()
    for node in graph.nodes:
        across = made.get(node.input[0]) if node.op_type == "Mul" else None
        if across is not None and across.op_type == "Transpose" and _is_key(across.input[0]):
            assert _ends(made[node.input[1]], _SCALE_CHAIN, made), node.input[1]
            names[node.output[0]] = across.input[0]
    inputs = [float_output(one.name) if _is_key(one.name) else one for one in graph.inputs]
    return without_unused(_instead(replace(graph, inputs=tuple(inputs)), names))


@dataclass(frozen=True, slots=True)
class Changes:
    """What is changed in each of the three graphs."""

    encoder: Change
    cross: Change
    step: Change


SIMPLER = Changes(simplified, with_keys_made_across, simplified_step)
AS_THEY_ARE = Changes(*3 * (lambda graph: graph,))


def makers(graph: Graph) -> Mapping[str, Node]:
    """The node that computes each name."""
    return {name: node for node in graph.nodes for name in node.output}


def without_unused(graph: Graph) -> Graph:
    """The same graph with the nodes, values and inputs that its outputs depend on."""
    needed, nodes = {output.name for output in graph.outputs}, list[Node]()
    for node in reversed(graph.nodes):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    values = {name: value for name, value in graph.values.items() if name in needed}
    inputs = tuple(each for each in graph.inputs if each.name in needed)
    return replace(graph, nodes=tuple(nodes[::-1]), values=values, inputs=inputs)


def _joined(graph: Graph, products: Sequence[Node]) -> Graph:
    """`products`: nodes MatMulInteger of the same values; each is followed by Cast and by Mul with its scales."""
    ends = [_end(product, graph) for product in products]
    first, name = products[0], f"{products[0].name}_joined"
    columns = [_columns(product, end, graph) for product, end in zip(products, ends, strict=True)]
    weight, zero, scale, sizes = (f"{name}_{part}" for part in ("weight", "zero", "scale", "sizes"))
    values = {
        **graph.values,
        weight: np.concatenate([graph.values[each.input[1]] for each in products], axis=1),
        zero: np.concatenate([graph.values[each.input[3]] for each in products]),
        scale: np.concatenate([graph.values[each] for each in columns]),
        sizes: np.array([len(graph.values[each]) for each in columns], dtype=np.int64),
    }
    quantised, _, at_zero, _ = first.input
    whole, real, scales, scaled = (f"{name}_{part}" for part in ("sum", "real", "both", "scaled"))
    joined = [
        make_node("MatMulInteger", [quantised, weight, at_zero, zero], [whole], name),
        make_node("Cast", [whole], [real], to=FLOAT),
        make_node("Mul", [f"{quantised.removesuffix('_quantized')}_scale", scale], [scales]),
        make_node("Mul", [real, scales], [scaled]),
        make_node("Split", [scaled, sizes], [end.output[0] for end in ends], axis=-1),
    ]
    left = {id(node) for node in (*products, *ends)}
    nodes = [
        one
        for node in graph.nodes
        for one in (joined if node is first else [node])
        if id(one) not in left
    ]
    return replace(graph, nodes=tuple(nodes), values=values)


def _end(product: Node, graph: Graph) -> Node:
    """The node that scales the integers of a product."""
    (cast,) = (node for node in graph.nodes if product.output[0] in node.input)
    (end,) = (node for node in graph.nodes if cast.output[0] in node.input)
    return end


def _columns(product: Node, end: Node, graph: Graph) -> str:
    """The name of the scales of a product's columns."""
    made = makers(graph)
    (both,) = (made[name] for name in end.input if made[name].op_type == "Mul")
    (columns,) = (name for name in both.input if name in graph.values)
    assert graph.values[columns].shape == graph.values[product.input[3]].shape
    return str(columns)


def _turned_pairs(node: Node, made: Mapping[str, Node]) -> str:
    """The values whose pairs a node has turned by several others; empty for any other node."""
    if node.op_type != "Reshape" or _operation(node.input[0], made) != "Concat":
        return ""
    parts = made[node.input[0]].input
    if len(parts) != 2 or any(_operation(part, made) != "Unsqueeze" for part in parts):
        return ""
    minus, plus = (made[part].input[0] for part in parts)
    if _operation(minus, made) != "Neg" or _operation(plus, made) != "Slice":
        return ""
    return str(made[plus].input[0])


def _quarter_turn() -> npt.NDArray[np.float32]:
    """Of rows of pairs; `[32, 32]`."""
    pair = np.array([[0.0, 1.0], [-1.0, 0.0]], dtype=np.float32)
    return np.kron(np.eye(_TURNED // 2, dtype=np.float32), pair)


def _with_scale(values: Values) -> Values:
    """`values` with the scale of queries and of keys; both have it, so their products are divided by the root."""
    scale = np.sqrt(np.float32(1.0) / np.sqrt(np.full(1, _HEAD_SIZE, np.float32)))
    return {**values, _SCALE: scale}


def _is_key(name: str) -> bool:
    return name.endswith(_KEYS)


def _operation(name: str, made: Mapping[str, Node]) -> str:
    """That of the node that computes `name`; empty for inputs and values."""
    return str(made[name].op_type) if name in made else ""


def _ends(node: Node, chain: Sequence[str], made: Mapping[str, Node]) -> bool:
    """Whether a node is the last of a chain of operations, given backwards."""
    if node.op_type != chain[0]:
        return False
    if len(chain) == 1:
        return True
    return any(_ends(made[name], chain[1:], made) for name in node.input if name in made)


def _instead(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The same graph with other names in place of those that `names` has, which nothing uses any more."""
    nodes = [
        _with_names(node, names) for node in graph.nodes if names.keys().isdisjoint(node.output)
    ]
    return replace(graph, nodes=tuple(nodes))


def _with_names(node: Node, names: Mapping[str, str]) -> Node:
    """A node with other names of its inputs and outputs."""
    copy = type(node)()
    copy.CopyFrom(node)
    for there in (copy.input, copy.output):
        for index, name in enumerate(there):
            there[index] = names.get(name, name)
    return copy
