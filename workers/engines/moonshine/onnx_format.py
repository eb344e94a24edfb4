"""
The ONNX file format, as far as `constant_folding` needs it, without the package `onnx` (31 MB).

The messages are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; fields that are not listed here
are kept as they are.  The protobuf library is a dependency of onnxruntime.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

Node: TypeAlias = Any
"""A message NodeProto.  Classes of messages are made at run time, so they have no types."""

ValueInfo: TypeAlias = Any
"""A message ValueInfoProto: name and type of an input or output."""

OperatorSet: TypeAlias = Any
"""A message OperatorSetIdProto."""

Values: TypeAlias = Mapping[str, npt.NDArray[Any]]
Attribute: TypeAlias = int | Sequence[int]

_PACKAGE = "onnx"
_REPEATED = "*"
_PACKED = "+"
"""Marks a repeated field that is written packed."""

_SCHEMA: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "OperatorSetIdProto": [("domain", 1, "string"), ("version", 2, "int64")],
    "TensorProto": [
        *(("dims", 1, "int64*"), ("data_type", 2, "int32"), ("float_data", 4, "float+")),
        *(("int32_data", 5, "int32+"), ("int64_data", 7, "int64+"), ("name", 8, "string")),
        ("raw_data", 9, "bytes"),
    ],
    "TensorType": [("elem_type", 1, "int32")],
    "TypeProto": [("tensor_type", 1, "TensorType")],
    "ValueInfoProto": [("name", 1, "string"), ("type", 2, "TypeProto")],
    "AttributeProto": [
        *(("name", 1, "string"), ("i", 3, "int64"), ("g", 6, "GraphProto")),
        *(("ints", 8, "int64*"), ("type", 20, "int32")),
    ],
    "NodeProto": [
        *(("input", 1, "string*"), ("output", 2, "string*"), ("name", 3, "string")),
        *(("op_type", 4, "string"), ("attribute", 5, "AttributeProto*")),
    ],
    "GraphProto": [
        *(("node", 1, "NodeProto*"), ("name", 2, "string"), ("initializer", 5, "TensorProto*")),
        *(("input", 11, "ValueInfoProto*"), ("output", 12, "ValueInfoProto*")),
    ],
    "ModelProto": [
        *(("ir_version", 1, "int64"), ("graph", 7, "GraphProto")),
        ("opset_import", 8, "OperatorSetIdProto*"),
    ],
}
"""Name, number and type of the fields of each message."""

FLOAT, INT8 = 1, 3
"""Values of `TensorProto.DataType`."""

_DTYPES: Mapping[int, str] = {
    FLOAT: "<f4", 2: "<u1", INT8: "<i1", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"
}  # fmt: skip
_KINDS = {np.dtype(text): kind for kind, text in _DTYPES.items()}
_INT, _INTS = 2, 7
"""Values of `AttributeProto.AttributeType`."""


def _messages() -> Mapping[str, Any]:
    file = FileDescriptorProto(name="trunkline_onnx.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _SCHEMA.items():
        message = file.message_type.add(name=name)
        for field, number, text in fields:
            _describe(message.field.add(name=field, number=number), text)
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _SCHEMA
    }


def _describe(field: FieldDescriptorProto, text: str) -> None:
    repeated = text[-1] in (_REPEATED, _PACKED)
    kind = text.rstrip(_REPEATED + _PACKED)
    field.label = (
        FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    )
    if kind in _SCHEMA:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    if text.endswith(_PACKED):
        field.options.packed = True


MESSAGES = _messages()
"""The classes of messages by name."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph in parts: nodes, known values (initializers), inputs, outputs, operator sets."""

    nodes: tuple[Node, ...]
    values: Values
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    opsets: tuple[OperatorSet, ...]


def read(path: Path, domains: Iterable[str] | None = None) -> Graph:
    """Read an ONNX file.  `domains`: those of the operator sets that are kept; None keeps all."""
    model = MESSAGES["ModelProto"].FromString(path.read_bytes())
    kept = None if domains is None else frozenset(domains)
    opsets = [one for one in model.opset_import if kept is None or one.domain in kept]
    graph = model.graph
    return Graph(
        tuple(graph.node), initial(graph), tuple(graph.input), tuple(graph.output), tuple(opsets)
    )


def write(graph: Graph, path: Path) -> None:
    """Write an ONNX file of IR version 9, which the oldest supported onnxruntime reads."""
    body = MESSAGES["GraphProto"](
        name=path.stem, node=graph.nodes, input=graph.inputs, output=graph.outputs
    )
    for name, value in graph.values.items():
        body.initializer.append(_tensor(name, value))
    model = MESSAGES["ModelProto"](ir_version=9, graph=body, opset_import=graph.opsets)
    path.write_bytes(model.SerializeToString())


def initial(graph: Any) -> dict[str, npt.NDArray[Any]]:  # noqa: ANN401  # a message GraphProto
    """Return the initializers of a GraphProto by name."""
    return {each.name: _array(each) for each in graph.initializer}


def make_node(
    operation: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str = "",
    **attributes: Attribute,
) -> Node:
    """Return a new node."""
    made = MESSAGES["NodeProto"](op_type=operation, input=inputs, output=outputs, name=name)
    for attribute, value in attributes.items():
        if isinstance(value, int):
            made.attribute.add(name=attribute, i=value, type=_INT)
        else:
            made.attribute.add(name=attribute, ints=value, type=_INTS)
    return made


def float_output(name: str) -> ValueInfo:
    """Return an output of floats, of any shape."""
    return MESSAGES["ValueInfoProto"](name=name, type={"tensor_type": {"elem_type": FLOAT}})


def attributes(node: Node) -> Mapping[str, Attribute]:
    """Return the attributes of a node that are integers or lists of them."""
    return {
        each.name: each.i if each.type == _INT else tuple(each.ints)
        for each in node.attribute
        if each.type in (_INT, _INTS)
    }


def _array(tensor: Any) -> npt.NDArray[Any]:  # noqa: ANN401  # a message TensorProto
    """Raises KeyError for a type that no graph of ours has."""
    dtype = np.dtype(_DTYPES[tensor.data_type])
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, dtype).reshape(tensor.dims)
    found = tensor.float_data or tensor.int32_data or tensor.int64_data
    return np.array(found, dtype).reshape(tensor.dims)


def _tensor(name: str, value: npt.NDArray[Any]) -> Any:  # noqa: ANN401  # a message TensorProto
    return MESSAGES["TensorProto"](
        name=name,
        dims=value.shape,
        data_type=_KINDS[value.dtype],
        raw_data=np.ascontiguousarray(value).tobytes(),
    )
