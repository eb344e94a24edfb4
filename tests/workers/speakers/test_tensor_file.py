"""Files of torch.save in the older format are read without torch, and run nothing."""

import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from workers.speakers.tensor_file import read_tensors

torch = pytest.importorskip("torch")


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def test_tensors_are_read_as_torch_wrote_them() -> None:
    parts = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    data = saved({"model": OrderedDict(whole=parts, part=parts[1]), "step": 7})

    found = read_tensors(data, "model")

    np.testing.assert_array_equal(found["whole"], parts.numpy())
    np.testing.assert_array_equal(found["part"], parts[1].numpy())


class _Attack:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("exit 1",)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04", pickle.dumps(1), saved({"model": _Attack()}), saved({"other": {}})],
    ids=["nothing", "zip", "another pickle", "code", "no model"],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a file"):
        read_tensors(data, "model")
