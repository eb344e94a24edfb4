"""The sessions of Moonshine: the words must not depend on the processor."""

import numpy as np
import pytest

from workers.engines.base import Samples
from workers.engines.moonshine import sessions, weights
from workers.engines.moonshine.engine import Moonshine


def core(abilities: str) -> str:
    return f"processor\t: 0\nflags\t\t: fpu {abilities} sse2\n\n"


@pytest.mark.parametrize(
    ("cpu_info", "exact"),
    [
        (core("avx512f avx512_vnni"), True),
        (core("avx2 avx_vnni") * 2, True),
        (core("avx2 avx512f"), False),
        (core("avx_vnni") + core("avx2"), False),  # cores of two kinds
        ("processor\t: 0\nFeatures\t: asimd dotprod\n", False),
        ("", False),
    ],
)
def test_products_are_exact_only_with_vnni_on_every_core(cpu_info: str, *, exact: bool) -> None:
    assert sessions.is_exact(cpu_info) is exact


def test_the_encoder_as_it_is_opened_gives_the_result_of_exact_products(
    moonshine: Moonshine, beckett: Samples
) -> None:
    folder = weights.folder(None)
    feed = {"input_values": beckett[np.newaxis]}
    precise = sessions.open_session(folder / "encoder.onnx", precise=True)

    (here,) = sessions.open_sessions(folder).encoder.run(None, feed)

    assert np.array_equal(here, precise.run(None, feed)[0])
