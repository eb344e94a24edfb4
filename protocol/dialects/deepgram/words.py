"""Words in the form of Deepgram's messages."""

from collections.abc import Sequence
from typing import Any

from ...clock import to_seconds
from ...events import Span, Word
from ..common.turns import mean_confidence, timed


def alternative(span: Span, words: Sequence[Word], speaker: dict[str, Any]) -> dict[str, Any]:
    """The words of a segment as Deepgram's only alternative.  `speaker`: fields that are added to each word."""
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
                **speaker,
            }
            for word in spread
        ],
    }


def seconds(samples: int) -> float:
    """Samples of the call clock as seconds, to the millisecond."""
    return round(to_seconds(samples), 3)


def _bare(word: str) -> str:
    """A word as in Deepgram's field `word`: lower case, without punctuation around it."""
    return word.strip('.,;:!?¿¡"“”()[]…').lower() or word
