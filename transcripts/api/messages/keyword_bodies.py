"""Bodies of requests and responses about the keywords of a call."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec

from protocol.calls.keywords import MOST_TERMS, NEAR, SUSPECT

from ...transcript import StoredSegment, Transcript


class KeywordListBody(msgspec.Struct):
    """A keyword list of a call: `rejected` as `term: reason`."""

    keywords_rev: int
    accepted: list[str]
    rejected: list[str]


class KeywordsBody(msgspec.Struct):
    """
    The keyword report of a call: its lists, and for each term the number of finals that say it.

    `found`: the text contains the term.  `near`: the text only sounds like it, so that it was probably said.
    `suspect`: the text contains it, and the engine found too little of it in the audio.  `missing`: terms of the
    lists that are not in `found`.
    """

    lists: list[KeywordListBody]
    found: dict[str, int]
    missing: list[str]
    near: dict[str, int]
    suspect: dict[str, int]


class NewKeywords(msgspec.Struct, forbid_unknown_fields=True):
    """The keyword list of a call from now on."""

    keywords: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=200)]],
        msgspec.Meta(max_length=2 * MOST_TERMS),
    ]


def keywords_body(transcript: Transcript) -> KeywordsBody:
    """Return the keyword report of a call."""
    finals = transcript.segments
    found = Counter(term for one in finals for term in one.keywords_found)
    asked = {term: None for one in transcript.keyword_lists for term in one.accepted}
    return KeywordsBody(
        [
            KeywordListBody(one.revision, list(one.accepted), list(one.rejected))
            for one in transcript.keyword_lists
        ],
        found,
        [term for term in asked if term not in found],
        _flagged(finals, NEAR),
        _flagged(finals, SUSPECT),
    )


def _flagged(finals: Sequence[StoredSegment], flag: str) -> dict[str, int]:
    """The terms in the flags that begin with `flag`, each with the number of finals."""
    return Counter(
        raised.removeprefix(flag)
        for one in finals
        for raised in one.flags
        if raised.startswith(flag)
    )
