"""
Tokenizer: text to tokens and back.

Only the `tokenizer.json` of the checkpoint is read, by the tokenizers library: no code of the checkpoint, and no
class that it names.  Text from outside (keywords, drafts) is encoded with special tokens switched off: a keyword
`<|audio|>` is just nine characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.calls.keywords import clean

from .prompts import BEFORE_AUDIO, BEHIND_TURN

SEPARATOR = ", "


_ROLE_END = ":"
"""Ends the name of a role in the prompt (`USER:`, `ASSISTANT:`): a keyword must not contain it."""


@dataclass(frozen=True, slots=True)
class FittedKeywords:
    """The keywords that are in the prompt, and those that are not."""

    kept: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    """Valid terms for which the prompt had no room: the last of the list."""

    refused: int = 0
    """Number of invalid keywords: control characters, angle brackets, only punctuation ..."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokenizer of one checkpoint."""

    raw: Any = field(repr=False)
    special: frozenset[int]
    """Ids of special tokens.  They never result from text, and never become text."""

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """Read `tokenizer.json`.  Raises ValueError when it is not a byte-level tokenizer."""
        from tokenizers import Tokenizer  # noqa: PLC0415 - the engine is an optional extra

        raw = Tokenizer.from_file(str(path))
        raw.encode_special_tokens = True
        raw.no_padding()
        raw.no_truncation()
        tokens = cls(raw, frozenset(raw.get_added_tokens_decoder()))
        if tokens.text(tokens.encode("Grüße, 12 ü")) != "Grüße, 12 ü":
            raise ValueError("the tokenizer is not byte-level BPE")
        return tokens

    def id_of(self, token: str) -> int | None:
        """The id of a token by its exact name, or None."""
        found = self.raw.token_to_id(token)
        return None if found is None else int(found)

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without special tokens."""
        return list(self.raw.encode(text, add_special_tokens=False).ids)

    def pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes of each token; empty for special tokens."""
        return [
            b"" if token in self.special else _bytes_of(self.raw.id_to_token(token) or "")
            for token in ids
        ]

    def text(self, ids: Sequence[int]) -> str:
        """The text of `ids`; bytes that are not UTF-8 become the replacement character."""
        return b"".join(self.pieces(ids)).decode("utf-8", errors="replace")

    def before_audio(self) -> list[int]:
        """Ids of the template before the audio."""
        return self.encode(BEFORE_AUDIO)

    def behind_audio(self, instruction: str, keywords: Sequence[str]) -> list[int]:
        """Ids of instruction, keywords and end of the turn, encoded as one text: the model was trained so."""
        ids = self.encode(instruction + SEPARATOR.join(keywords) + BEHIND_TURN)
        if not self.special.isdisjoint(ids):
            raise ValueError("the prompt contains a special token")
        return ids

    def fit(self, keywords: Sequence[str], budget: int) -> FittedKeywords:
        """As many of the cleaned `keywords`, first come first kept, as `budget` tokens hold."""
        harmless = [keyword for keyword in keywords if _ROLE_END not in keyword]
        cleaned = clean(harmless)
        refused = len(keywords) - len(harmless) + len(cleaned.rejected)
        spent, kept = 0, 0
        for term in cleaned.terms:
            spent += len(self.encode((SEPARATOR if kept else "") + term))
            if spent > budget or not self.special.isdisjoint(self.encode(term)):
                break
            kept += 1
        return FittedKeywords(cleaned.terms[:kept], cleaned.terms[kept:], refused)


def _bytes_of(piece: str) -> bytes:
    """The bytes that the printable characters of byte-level BPE stand for."""
    return bytes(_BYTE_OF_SIGN[sign] for sign in piece if sign in _BYTE_OF_SIGN)


def _byte_of_sign() -> dict[str, int]:
    """GPT-2's table: printable bytes stand for themselves, the others are mapped to U+0100 and up."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): byte for byte in plain}
    return table | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTE_OF_SIGN = _byte_of_sign()
