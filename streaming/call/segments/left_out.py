"""The terminal event of a segment that the gateway leaves out of the text."""

from protocol.calls.call import CallConfig
from protocol.events import Final, SegmentId, Span, Timing, Withheld


def left_out(segment: SegmentId, span: Span, why: Withheld, config: CallConfig) -> Final:
    """Return a final without words.  No engine has heard the segment: `engine` is empty."""
    return Final(
        segment,
        span,
        words=(),
        language=config.translate_to or config.language,
        keywords_revision=config.keywords.revision,
        keywords_found=(),
        engine="",
        timing=Timing(0, 0),
        flags=(why.flag,),
    )
