"""
Text to tokens and back.

Only the `tokenizer.json` of the checkpoint is read, by the tokenizers library: no code of the checkpoint, no class
chosen by it.  What people wrote (keywords, drafts) is encoded with special tokens switched off: a keyword called
`<|audio|>` is nine characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.keywords import clean

from .prompts import BEFORE_AUDIO, BEHIND_TURN

SEPARATOR = ", "


@dataclass(frozen=True, slots=True)
class FittedKeywords:
    """The terms that stand in the prompt, and those that do not."""

    kept: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Fine in themselves, but the list was too long: what came last goes first."""

    refused: int = 0
    """How many were not keywords at all: control characters, angle brackets, nothing but signs ..."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokenizer of one checkpoint."""

    raw: Any = field(repr=False)
    special: frozenset[int]
    """Ids that never come from what people wrote, nor go into the text."""

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """The tokenizer in `tokenizer.json`; ValueError when it is not one that can be read back byte by byte."""
        from tokenizers import Tokenizer  # noqa: PLC0415 - the engine is an optional extra

        raw = Tokenizer.from_file(str(path))
        raw.encode_special_tokens = True
        raw.no_padding()
        raw.no_truncation()
        tokens = cls(raw, frozenset(raw.get_added_tokens_decoder()))
        if tokens.text(tokens.encode("Grüße, 12 ü")) != "Grüße, 12 ü":
            raise ValueError("the tokenizer is not a byte-level one")
        return tokens

    def id_of(self, token: str) -> int | None:
        """The id of one token by its exact name."""
        found = self.raw.token_to_id(token)
        return None if found is None else int(found)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, in which nothing is special."""
        return list(self.raw.encode(text, add_special_tokens=False).ids)

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes that each token writes; special ones write none."""
        return [
            b"" if token in self.special else _bytes_of(self.raw.id_to_token(token) or "")
            for token in ids
        ]

    def text(self, ids: Sequence[int]) -> str:
        """The text of `ids`; bytes that are no UTF-8 become the replacement character."""
        return b"".join(self.pieces(ids)).decode("utf-8", errors="replace")

    def before_audio(self) -> list[int]:
        """The words of the template in front of the audio."""
        return self.encode(BEFORE_AUDIO)

    def behind_audio(self, instruction: str, keywords: Sequence[str]) -> list[int]:
        """Instruction, keywords and the end of the turn, as one text: that is how the model was trained."""
        ids = self.encode(instruction + SEPARATOR.join(keywords) + BEHIND_TURN)
        if not self.special.isdisjoint(ids):
            raise ValueError("a special token got into the prompt")
        return ids

    def fit(self, keywords: Sequence[str], budget: int) -> FittedKeywords:
        """As many of the cleaned `keywords`, first come first kept, as `budget` tokens hold."""
        cleaned = clean(_without_roles(keywords))
        spent, kept = 0, 0
        for term in cleaned.terms:
            spent += len(self.encode((SEPARATOR if kept else "") + term))
            if spent > budget or not self.special.isdisjoint(self.encode(term)):
                break
            kept += 1
        return FittedKeywords(cleaned.terms[:kept], cleaned.terms[kept:], len(cleaned.rejected))


def _without_roles(keywords: Sequence[str]) -> list[str]:
    """Colons end the name of a role in the prompt (`USER:`, `ASSISTANT:`): a keyword must not bring one."""
    return [keyword.replace(":", "\N{REPLACEMENT CHARACTER}") for keyword in keywords]


def _bytes_of(piece: str) -> bytes:
    """The bytes behind the printable signs in which byte-level BPE writes them."""
    return bytes(_BYTE_OF_SIGN[sign] for sign in piece if sign in _BYTE_OF_SIGN)


def _byte_of_sign() -> dict[str, int]:
    """GPT-2's table: printable bytes stand for themselves, the others follow from U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_OF_SIGN = _byte_of_sign()
