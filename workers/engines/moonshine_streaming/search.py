"""
The search: always the likeliest token, and the text of the partial before as a draft.

One run of the decoder reads the whole draft.  A token of it is taken only if it is the likeliest behind the tokens
before it, so the text is that of a search without drafts, for fewer runs.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from ..common.beam_search import Found, Greedy, SearchLimits, log_softmax
from ..common.drafts import continuation
from .decoder import Heard, Reader, StreamingDecoder

_TOKENS_PER_SECOND, _TOKENS_MORE = 12.0, 8
"""Limit of the text's length, which bounds a loop: as in `moonshine.token_search`."""

_RUNS_A_STEP = 8
"""Runs of the decoder between which the engine does not turn to another utterance."""

_GUESSED = 8
"""Most tokens that are guessed behind one that differs from the draft."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens with a meaning for the search."""

    start: int
    end: int


class DraftedSearch:
    """Searches with one decoder.  It has no state of its own: any thread may use it."""

    def __init__(self, decoder: StreamingDecoder, tokens: Tokens) -> None:
        self._decoder, self._tokens = decoder, tokens

    def run(
        self, heard: Heard, seconds: float, draft: Sequence[int] = ()
    ) -> Generator[None, None, Found]:
        """Return the text of audio of so many `seconds`; `draft`: tokens that it is likely to begin with."""
        most = most_tokens(seconds)
        limits = SearchLimits(self._tokens.start, self._tokens.end, most, sure_of_nothing=0.0)
        search, reader = Greedy(limits), Reader(self._decoder, heard, most + _GUESSED + 1)
        _check(search, reader, draft[:most])
        yield
        while not search.finished:
            for _ in range(_RUNS_A_STEP):
                if not search.finished:
                    _check(search, reader, continuation(search.found().tokens, draft, _GUESSED))
            yield
        return search.found()


def most_tokens(seconds: float) -> int:
    """The longest text of so many `seconds` of audio, in tokens."""
    return round(_TOKENS_PER_SECOND * seconds) + _TOKENS_MORE


def _check(search: Greedy, reader: Reader, guess: Sequence[int]) -> None:
    """Let `search` choose its next token, and more as long as they are those of `guess`."""
    read = reader.length
    logits = reader.read([*search.tokens, *guess])
    for place in range(len(logits)):
        search.observe(log_softmax(logits[place : place + 1]))
        if search.finished or [*search.tokens] != [*guess[place : place + 1]]:
            reader.keep(read + 1 + place)
            return
