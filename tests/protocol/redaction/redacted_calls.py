"""A call as lines, and what is shown of it."""

from collections.abc import Sequence

from protocol.events import SegmentId, Span, Word
from protocol.redaction.call_state import CallState
from protocol.redaction.masking import apply
from protocol.redaction.policy import CARD_DATA_POLICY, Policy
from protocol.redaction.redactor import RecognisedText, redact

Line = tuple[int, str]
"""A channel, and what is said on it."""

LASTS = 16_000
EVERY = 20_000


def shown(
    lines: Sequence[Line],
    language: str = "en",
    policy: Policy = CARD_DATA_POLICY,
    order: Sequence[int] = (),
) -> list[str]:
    """What is shown of each line after the last one. `order`: in which order workers finish the lines."""
    heard, counts = list[RecognisedText](), dict[int, int]()
    for place, (channel, text) in enumerate(lines):
        segment = SegmentId(channel, counts.get(channel, 0))
        counts[channel] = segment.number + 1
        span = Span(place * EVERY, place * EVERY + LASTS)
        heard.append(RecognisedText(segment, span, tuple(text.split()), language))
    state, words = CallState(), dict[SegmentId, tuple[Word, ...]]()
    for place in order or range(len(heard)):
        one = heard[place]
        result = redact(CallState.decode(state.encode()), one, policy)
        state = result.state
        words[one.segment], _ = apply(
            [Word(text) for text in one.words], result.masks, policy, one.span
        )
        for revision in result.revisions:
            words[revision.segment], _ = apply(
                words[revision.segment], [revision.mask], policy, one.span
            )
    return [" ".join(word.text for word in words[one.segment]) for one in heard]
