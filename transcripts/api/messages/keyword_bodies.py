"""Bodies of requests and responses about the keywords of a call."""

from typing import Annotated

import msgspec

from ...transcript import Transcript


class KeywordListBody(msgspec.Struct):
    """A keyword list of a call: `rejected` as `term: reason`."""

    keywords_rev: int
    accepted: list[str]
    rejected: list[str]


class KeywordsBody(msgspec.Struct):
    """The keyword lists of a call, the keywords that were found with their number, and those that were not."""

    lists: list[KeywordListBody]
    found: dict[str, int]
    missing: list[str]


class NewKeywords(msgspec.Struct, forbid_unknown_fields=True):
    """The keyword list of a call from now on."""

    keywords: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=1_000)
    ]


def keywords_body(transcript: Transcript) -> KeywordsBody:
    """Return the keyword report of a call."""
    found: dict[str, int] = {}
    for one in transcript.segments:
        for word in one.keywords_found:
            found[word] = found.get(word, 0) + 1
    asked = {term: None for one in transcript.keyword_lists for term in one.accepted}
    return KeywordsBody(
        [
            KeywordListBody(one.revision, list(one.accepted), list(one.rejected))
            for one in transcript.keyword_lists
        ],
        found,
        [term for term in asked if term not in found],
    )
