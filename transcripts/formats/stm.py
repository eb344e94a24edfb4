"""
A transcript as STM, NIST's format of segments for sclite.

https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
"""

from protocol.clock import to_seconds
from protocol.plain_text import plain

from ..transcript import Transcript
from .speaker_turns import by_speaker, party


def write_stm(transcript: Transcript) -> str:
    """One line for each segment with words: call, channel (from 1), speaker, start and end in seconds, words."""
    name = transcript.call.call_id
    lines = []
    transcript = by_speaker(transcript)
    for one in transcript.spoken:
        channel, speaker = one.segment.channel + 1, plain(party(transcript, one)).replace(" ", "_")
        times = f"{to_seconds(one.span.start):.3f} {to_seconds(one.span.end):.3f}"
        lines.append(f"{name} {channel} {speaker} {times} {plain(one.text)}\n")
    return "".join(lines)
