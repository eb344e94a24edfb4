"""
A transcript as STM, NIST's format of segments for sclite.

https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
"""

from protocol.clock import to_seconds
from protocol.plain_text import plain

from ..transcript import Transcript


def write_stm(transcript: Transcript) -> str:
    """One line for each segment with words: call, channel (from 1), speaker, start and end in seconds, words."""
    name = transcript.call.call_id
    lines = []
    for one in transcript.spoken:
        channel, role = one.segment.channel + 1, plain(transcript.call.role(one.segment.channel))
        times = f"{to_seconds(one.span.start):.3f} {to_seconds(one.span.end):.3f}"
        lines.append(f"{name} {channel} {role} {times} {plain(one.text)}\n")
    return "".join(lines)
