"""A transcript as Markdown (https://spec.commonmark.org/), for people."""

import re
import time
from collections.abc import Iterator

from protocol.clock import to_ms, to_seconds
from protocol.plain_text import plain

from ..transcript import Ending, StoredSegment, Transcript
from .speaker_turns import by_speaker, party

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$:])")
"""Signs with a meaning in Markdown and its extensions; a backslash takes it away (2.4 Backslash escapes)."""


def write_markdown(transcript: Transcript) -> str:
    """A heading, the metadata, and a paragraph for each segment: time, role, words or why there are none."""
    call = transcript.call
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(call.started_at))
    head = [
        f"# Call {_escaped(call.call_id)}",
        f"{began}, {to_seconds(call.duration):.0f} s, {_escaped(call.language)}, "
        f"{_escaped(call.dialect)}, {_escaped(call.ended_reason) or 'in progress'}",
    ]
    pairs = [f"- {_escaped(name)}: {_escaped(value)}" for name, value in call.metadata]
    said = ["\n".join(pairs)] if pairs else []
    return "\n\n".join([*head, *said, *_lines(transcript)]) + "\n"


def _lines(transcript: Transcript) -> Iterator[str]:
    transcript = by_speaker(transcript)
    for one in transcript.segments:
        if one.words or one.reason:
            role = _escaped(party(transcript, one))
            yield f"**{_clock(one.span.start)} {role}** {_said(one)}"


def _said(one: StoredSegment) -> str:
    if one.ending is Ending.FINAL:
        return _escaped(one.text)
    return f"*({one.ending}: {_escaped(one.reason)})*"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", plain(text))


def _clock(samples: int) -> str:
    minutes, seconds = divmod(to_ms(samples) // 1_000, 60)
    return f"{minutes:02d}:{seconds:02d}"
