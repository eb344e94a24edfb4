import numpy as np
import pytest
from onnx import TensorProto, helper
from support.onnx_graphs import float_info, node_of, opset

from workers.engines.moonshine.english_tokens import english, with_tokens
from workers.engines.moonshine.onnx_format import MESSAGES, Graph
from workers.engines.moonshine.tokens import Vocabulary

FIRST = [b"<unk>", b"<s>", b"</s>", *(bytes([byte]) for byte in range(256))]


def kept(*pieces: str | bytes) -> list[str | bytes]:
    """The pieces that are kept behind the bytes."""
    encoded = [piece.encode() if isinstance(piece, str) else piece for piece in pieces]
    return [pieces[token - len(FIRST)] for token in english([*FIRST, *encoded])[len(FIRST) :]]


def test_control_tokens_and_bytes_are_kept_as_they_are() -> None:
    assert english(FIRST) == list(range(259))


def test_pieces_of_english_text_are_kept_in_their_order() -> None:
    assert kept("▁the", "Жук", "é", "’", "的", "£", "▁Łó", "\N{EN DASH}", b"\xe7\x9a") == [
        "▁the", "é", "’", "£", "\N{EN DASH}"
    ]  # fmt: skip


def test_embeddings_and_logits_of_other_tokens_are_left_out() -> None:
    random = np.random.default_rng(3)
    embeddings = random.normal(size=(7, 4)).astype(np.float32)
    integers = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n"])
    whole = Graph(
        nodes=(
            node_of("Gather", ["embeddings", "input_ids"], ["found"]),
            node_of("MatMul", ["found", "out"], ["logits"]),
        ),
        values={"embeddings": embeddings, "out": np.ascontiguousarray(embeddings.T)},
        inputs=(MESSAGES["ValueInfoProto"].FromString(integers.SerializeToString()),),
        outputs=(float_info("logits", ["n", "vocabulary"]),),
        opsets=(opset(17),),
    )

    after = with_tokens(whole, [0, 2, 5])

    assert np.array_equal(after.values["embeddings"], embeddings[[0, 2, 5]])
    assert np.array_equal(after.values["out"], embeddings.T[:, [0, 2, 5]])
    assert after.nodes == whole.nodes


@pytest.mark.parametrize(
    "text",
    ["José Zephyrine's café", "Łukasz", "Dr. Ærø (naïve), £5 or 3 €", "plain words – and more…"],
)
def test_any_name_can_be_written_with_the_tokens_that_are_left(real: Vocabulary, text: str) -> None:
    tokens = real.tokens(text)

    assert max(tokens) < len(real.pieces)
    assert " ".join(word.text for word in real.spell(tokens, [1.0] * len(tokens))) == text
