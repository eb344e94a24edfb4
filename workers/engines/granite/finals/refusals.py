"""
Detects a language model that answers instead of transcribing: `I'm sorry, but I can't transcribe this audio`.

The wording is only one criterion, because callers say such things too; the other is that the audio does not support
the letters.  Pure.
"""

import re
from collections.abc import Sequence

from ..acoustic.ctc import Aligned, support

LEAST_SUPPORT = 0.5
"""Share of the letters that the audio must support.  Spoken words reach far more, invented ones far less."""

_CANNOT = r"(?:can['’]?t|can ?not|couldn['’]t|could not|(?:am|['’]m) (?:unable|not able) to)"
_ANSWERS = re.compile(
    rf"\bas an ai\b|\b(?:an )?ai (?:language )?model\b|\blanguage model\b"
    rf"|\bi\s?{_CANNOT} (?:\w+ )?(?:transcribe|translate|process|assist|fulfil+|comply|access|listen)\b"
    rf"|\b(?:audio|speech|recording)(?: file| content)? (?:provided|is (?:empty|silent|unclear))\b"
    rf"|\bplease (?:provide|upload|share) (?:the|an|your|me)\b.*\b(?:audio|recording|transcript)",
    re.IGNORECASE,
)


def is_answer(words: Sequence[str]) -> bool:
    """Whether the text reads as an answer of a language model."""
    return _ANSWERS.search(" ".join(words)) is not None


def is_supported(placed: Sequence[Sequence[Aligned]]) -> bool:
    """Whether the audio supports the text; `placed`: the aligned letters of each word."""
    found = support([letter for word in placed for letter in word])
    return found is not None and found >= LEAST_SUPPORT
