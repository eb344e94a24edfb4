from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engines.moonshine.tokens import Vocabulary, read_vocabulary

CONTROL = [b"<unk>", b"<s>", b"</s>"]
BYTES = [bytes([byte]) for byte in range(256)]
PIECES = ["▁", "a", "b", "c", "ab", "▁ab", "abc", "▁c", "▁" * 50]


def written(pieces: list[bytes]) -> bytes:
    """As the vendor writes it: a length, in two bytes from 128 on, then the piece."""
    lengths = [
        bytes([len(piece)])
        if len(piece) < 128
        else bytes([128 + len(piece) % 128, len(piece) // 128])
        for piece in pieces
    ]
    return b"".join(length + piece for length, piece in zip(lengths, pieces, strict=True))


@pytest.fixture
def small(tmp_path: Path) -> Vocabulary:
    path = tmp_path / "tokenizer.bin"
    path.write_bytes(written(CONTROL + BYTES + [piece.encode() for piece in PIECES]))
    return read_vocabulary(path)


def token(piece: str) -> int:
    return 259 + PIECES.index(piece)


def test_pieces_of_all_lengths_are_read(small: Vocabulary) -> None:
    assert small.pieces[:3] == tuple(CONTROL)
    assert small.pieces[-1] == ("▁" * 50).encode()
    assert len(small.pieces) == 3 + 256 + len(PIECES)


def test_tokens_become_words_and_probabilities_multiply(small: Vocabulary) -> None:
    row = [token("▁ab"), token("c"), token("▁c"), token("▁"), token("b")]

    words = small.spell(row, [0.5, 0.5, 0.9, 0.8, 0.5])

    assert [(word.text, word.probability) for word in words] == [
        ("abc", 0.25), ("c", 0.9), ("b", 0.4),
    ]  # fmt: skip


def test_bytes_join_into_a_letter_and_control_signs_write_nothing(small: Vocabulary) -> None:
    umlaut = [3 + byte for byte in "ü".encode()]

    words = small.spell([1, token("▁ab"), *umlaut, 2, 99_999], [1.0] * 6)

    assert [word.text for word in words] == ["abü"]


def test_a_broken_letter_does_not_break_the_text(small: Vocabulary) -> None:
    words = small.spell([token("▁ab"), 3 + 0xC3, token("▁c")], [1.0] * 3)

    assert [word.text for word in words] == ["ab\N{REPLACEMENT CHARACTER}", "c"]


def test_the_lower_token_is_merged_first(small: Vocabulary) -> None:
    # `ab` comes before `abc`, and `▁ab` before `abc`: so `▁ab` is formed and `c` is left over.
    assert small.tokens("abc") == (token("▁ab"), token("c"))


def test_what_no_piece_covers_is_written_in_bytes(small: Vocabulary) -> None:
    assert small.tokens("ü") == (token("▁"), *(3 + byte for byte in "ü".encode()))


def test_a_known_name_is_written_as_the_published_tokenizer_writes_it(real: Vocabulary) -> None:
    # `Tokenizer.encode` of the tokenizer.json in useful-moonshine-onnx 20251121 gives these pieces.
    pieces = [real.pieces[token].decode() for token in real.tokens("Zephyrine Labs")]

    assert pieces == ["▁Ze", "ph", "yr", "ine", "▁L", "abs"]


@given(
    text=st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="▁"), min_size=1)
)
def test_any_word_comes_back_as_it_went(real: Vocabulary, text: str) -> None:
    row = real.tokens(text)

    assert "".join(word.text for word in real.spell(row, [1.0] * len(row))) == text
