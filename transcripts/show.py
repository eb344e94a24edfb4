"""A transcript for a terminal."""

import re
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from protocol.clock import to_ms, to_seconds
from protocol.plain_text import plain

from .transcript import Ending, StoredSegment, Transcript

_COLOURS = {"agent": "cyan", "customer": "green"}
_KEYWORD = "bold black on bright_yellow"


def render(transcript: Transcript, keywords: Iterable[str] = ()) -> RenderableType:
    """Who said what and when; roles in colours; `keywords` marked, and those of the call."""
    call = transcript.call
    head = Text(
        f"{plain(call.call_id)}: {to_seconds(call.duration):.0f} s, {plain(call.ended_reason) or 'going on'}",
        "bold",
    )
    marked = transcript.keywords.union(keywords)
    lines = [
        _line(transcript, one, marked) for one in transcript.segments if one.words or one.reason
    ]
    return Group(head, *lines)


def _line(transcript: Transcript, one: StoredSegment, keywords: Iterable[str]) -> Text:
    role = transcript.call.role(one.segment.channel)
    minutes, seconds = divmod(to_ms(one.span.start) // 1_000, 60)
    line = Text().append(f"{minutes:02d}:{seconds:02d} ", style="dim")
    line.append(f"{role:>8} ", style=f"bold {_COLOURS.get(role, 'yellow')}")
    if one.ending is not Ending.FINAL:
        return line.append(f"({one.ending}: {plain(one.reason)})", style="red")
    said = Text(plain(one.text))
    for keyword in keywords:
        # No \b: a keyword such as C++ ends in no letter.
        whole = re.compile(rf"(?<!\w){re.escape(keyword)}(?!\w)", re.IGNORECASE)
        said.highlight_regex(whole, _KEYWORD)
    return line.append(said)
