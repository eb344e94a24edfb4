"""
Reads the tensors of a file of `torch.save` in its format before version 1.6, without torch.

The file is four pickles (magic number, version, system, object), a list of storage keys, and the raw storages. Only
the classes that tensors need can be unpickled: nothing in the file can run code.
"""

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

Tensors = dict[str, npt.NDArray[np.float32]]

_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor whose storage follows later in the file."""

    key: str
    offset: int
    shape: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Unpickles containers and tensors of 32-bit floats.  Raises UnpicklingError for everything else."""

    def persistent_load(self, pid: Any) -> str:  # noqa: ANN401  # what the file says
        return str(pid[2])

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # a class or function
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _rebuilt
            case "torch", "FloatStorage":
                return None
            case _:
                return _refuse(f"{module}.{name}")


def read_tensors(data: bytes, part: str) -> Tensors:
    """
    The tensors of the mapping `part` of the object in a file.

    Raises ValueError if the bytes are no such file, or contain anything but numbers, texts and tensors.
    """
    file = io.BytesIO(data)
    try:
        magic, _, _, found = (_Reader(file).load() for _ in range(4))
        if magic != _MAGIC:
            raise ValueError("not a file of torch.save")
        storages = _storages(file, _Reader(file).load())
        return {name: _array(one, storages) for name, one in found[part].items()}
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"not a file of tensors: {exc}") from exc


def _storages(file: io.BytesIO, keys: list[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Each storage is its length, 8 bytes, and its floats; little-endian."""
    found = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        found[key] = np.frombuffer(file.read(4 * count), "<f4")
    return found


def _array(one: _Tensor, storages: dict[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    count = int(np.prod(one.shape))
    return storages[one.key][one.offset : one.offset + count].reshape(one.shape)


def _rebuilt(
    key: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> _Tensor:
    steps = tuple(int(np.prod(shape[place + 1 :])) for place in range(len(shape)))
    if tuple(stride) != steps:
        _refuse("a tensor that is not contiguous")
    return _Tensor(key, offset, tuple(shape))


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f"{what} is not allowed")
