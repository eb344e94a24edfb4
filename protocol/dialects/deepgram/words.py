"""Words in the form of Deepgram's messages."""

from collections.abc import Sequence
from typing import Any

from ...clock import to_seconds
from ...events import Span, Word
from ..common.turns import mean_confidence, timed


def alternative(
    span: Span, words: Sequence[Word], speaker: int | None, *, tells_roles: bool = False
) -> dict[str, Any]:
    """
    The words of a segment as Deepgram's only alternative.

    `speaker`: of words whose own one is not known; `tells_roles`: words have `role`, which Deepgram does not have.
    """
    spread = timed(words, span)
    return {
        "transcript": " ".join(word.text for word in words),
        "confidence": round(mean_confidence(spread), 4),
        "words": [
            {
                "word": _bare(word.text),
                "start": seconds(word.start),
                "end": seconds(word.end),
                "confidence": word.confidence,
                "punctuated_word": word.text,
                **_speaker(speaker if word.speaker is None else word.speaker),
                **({"role": word.role} if tells_roles and word.role else {}),
            }
            for word in spread
        ],
    }


def _speaker(number: int | None) -> dict[str, int]:
    return {} if number is None else {"speaker": number}


def seconds(samples: int) -> float:
    """Samples of the call clock as seconds, to the millisecond."""
    return round(to_seconds(samples), 3)


def _bare(word: str) -> str:
    """A word as in Deepgram's field `word`: lower case, without punctuation around it."""
    return word.strip('.,;:!?¿¡"“”()[]…').lower() or word
