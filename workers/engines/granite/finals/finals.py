"""
From the tokens that the model wrote to the words of a final.

Pure.  Word times come from aligning the text to the CTC posteriors, confidence from the token probabilities.
Keywords that the audio does not support are detected here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from protocol.calls.keywords import SUSPECT

from ...base import Hypothesis, RecognisedWord
from ...common import hallucination
from ..acoustic.ctc import DIGITS, Aligned, LogProbs, place, spans, support
from ..acoustic.mel import RATE
from ..text.stopping import StoppingRule
from ..text.tokenizer import FittedKeywords

WORD_TIMES = "ctc-alignment"
CONFIDENCE = "token-probability"

MOST_TERMS_NAMED = 16
"""Every final of a call carries the flags, so of a long list only the first terms are named; all are counted."""

_SIGNS = ".,;:!?\"'()[]«»¿¡…-"


@dataclass(frozen=True, slots=True)
class ScoredWord:
    """A word with the mean log-probability of its tokens."""

    text: str
    log_prob: float


def in_words(pieces: Sequence[bytes], log_probs: Sequence[float]) -> list[ScoredWord]:
    """
    Join tokens to words; a token that contains a space counts for the words on both sides.

    `pieces`: the bytes of each token (UTF-8 when joined); `log_probs`: one for each token.
    """
    words: list[tuple[bytearray, list[float]]] = []
    open_word = False
    for piece, score in zip(pieces, log_probs, strict=True):
        for place_in_piece, part in enumerate(piece.replace(b"\n", b" ").split(b" ")):
            if place_in_piece:
                open_word = False
            if not part:
                continue
            if not open_word:
                words.append((bytearray(), []))
                open_word = True
            words[-1][0].extend(part)
            words[-1][1].append(score)
    return [
        ScoredWord(text.decode("utf-8", errors="replace"), sum(scores) / len(scores))
        for text, scores in words
    ]


def hypothesis(
    pieces: Sequence[ScoredWord],
    placed: Sequence[Sequence[Aligned]],
    samples: int,
    flags: Sequence[str],
) -> Hypothesis:
    """
    Build the hypothesis from words and their alignment.

    `placed`: the aligned letters of each word, empty for translations; `samples`: length of the audio at 16 kHz.
    """
    times = spans(placed, samples) if placed else [None] * len(pieces)
    words = tuple(
        RecognisedWord(piece.text, start, end, round(math.exp(piece.log_prob), DIGITS))
        for piece, (start, end) in zip(
            pieces, [time or (None, None) for time in times], strict=True
        )
    )
    return Hypothesis(words, tuple(flags))


def aligned(pieces: Sequence[ScoredWord], log_probs: LogProbs) -> list[list[Aligned]]:
    """The alignment of the letters of each word; `log_probs`: CTC posteriors [frames, labels]."""
    return place([piece.text for piece in pieces], log_probs)


def without_loops(
    pieces: Sequence[ScoredWord], samples: int, ending: StoppingRule
) -> tuple[list[ScoredWord], bool]:
    """`pieces` without loops for which the audio is too short, and whether there were any (see hallucination)."""
    said = [hallucination.WordEvidence(piece.text, piece.log_prob) for piece in pieces]
    kept = hallucination.without_loops(said, samples / RATE, complete=ending is StoppingRule.SAID)
    return [ScoredWord(text, pieces[place].log_prob) for place, text in kept.words], kept.looped


def unsupported(
    terms: Sequence[str], words: Sequence[str], placed: Sequence[Sequence[Aligned]], least: float
) -> tuple[str, ...]:
    """The `terms` that occur in `words` where the audio supports less than the share `least` of the letters."""
    plain = [_plain(word) for word in words]
    suspects = []
    for term in terms:
        looked_for = [_plain(part) for part in term.split()]
        for start in _found(looked_for, plain):
            span = placed[start : start + len(looked_for)]
            heard = support([letter for word in span for letter in word])
            if heard is not None and heard < least:
                suspects.append(term)
                break
    return tuple(suspects)


def contain_all(words: Sequence[str], terms: Sequence[str]) -> bool:
    """Whether all of `terms` occur in `words`."""
    plain = [_plain(word) for word in words]
    return all(_found([_plain(part) for part in term.split()], plain) for term in terms)


def list_flags(keywords: FittedKeywords) -> list[str]:
    """Flags for the keywords that are not in the prompt."""
    flags = []
    if keywords.dropped:
        flags.append(f"keywords_dropped:{len(keywords.dropped)}")
        flags += [f"keyword_dropped:{term}" for term in keywords.dropped[:MOST_TERMS_NAMED]]
    if keywords.refused:
        flags.append(f"keywords_refused:{keywords.refused}")
    return flags


def ending_flags(ending: StoppingRule) -> list[str]:
    """The flag for a text that did not end by itself."""
    return [] if ending is StoppingRule.SAID else [ending.value]


def suspicion_flags(
    suspects: Sequence[str], with_list: Sequence[str], without: Sequence[str]
) -> list[str]:
    """Flags for suspect keywords and for differences between the two texts: `with the list -> without`."""
    flags = [f"{SUSPECT}{term}" for term in suspects]
    matcher = SequenceMatcher(a=list(with_list), b=list(without), autojunk=False)
    for kind, first, last, other_first, other_last in matcher.get_opcodes():
        if kind != "equal":
            one, other = " ".join(with_list[first:last]), " ".join(without[other_first:other_last])
            flags.append(f"without_keywords:{one} -> {other}")
    return flags[: len(suspects) + MOST_TERMS_NAMED]


def _plain(word: str) -> str:
    return word.casefold().strip(_SIGNS)


def _found(looked_for: Sequence[str], words: Sequence[str]) -> list[int]:
    """The indexes at which the words of a term occur in a row."""
    size = len(looked_for)
    return [
        start
        for start in range(len(words) - size + 1)
        if list(words[start : start + size]) == list(looked_for)
    ]
