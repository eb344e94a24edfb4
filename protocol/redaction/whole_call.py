"""Redacts a call that is complete: a recording, or a call in the store."""

from collections.abc import Sequence

from ..events import Final, SegmentId
from .call_state import CallState
from .masking import revised
from .policy import Policy
from .redactor import RecognisedText, redact


def redacted_call(finals: Sequence[Final], policy: Policy) -> list[Final]:
    """The finals of a call, redacted. `finals`: all of the call, in any order; the result has the same order."""
    state = CallState()
    shown: dict[SegmentId, Final] = {}
    for final in sorted(finals, key=lambda one: (one.span.end, one.segment.channel)):
        words = tuple(word.text for word in final.words)
        heard = RecognisedText(final.segment, final.span, words, final.language)
        result = redact(state, heard, policy)
        state = result.state
        shown[final.segment] = final
        for mask in reversed(result.masks):  # so that the places of the masks before it stay
            shown[final.segment] = revised(shown[final.segment], mask, policy)
        for revision in result.revisions:
            earlier = shown[revision.segment]
            shown[revision.segment] = revised(earlier, revision.mask, policy)
    return [shown[final.segment] for final in finals]
