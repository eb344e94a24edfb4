"""A transcript for a terminal."""

import re
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from protocol.clock import to_ms, to_seconds
from protocol.plain_text import plain

from ..transcript import Ending, StoredSegment, Transcript
from .export import interruption
from .speaker_turns import by_speaker, party

_COLOURS = {"agent": "cyan", "customer": "green"}
_KEYWORD = "bold black on bright_yellow"


def render(transcript: Transcript, keywords: Iterable[str] = ()) -> RenderableType:
    """Render time, role (in colour) and words of each segment.  Marks `keywords` and the keywords of the call."""
    call = transcript.call
    head = Text(
        f"{plain(call.call_id)}: {to_seconds(call.duration):.0f} s, {plain(call.ended_reason) or 'going on'}",
        "bold",
    )
    marked = transcript.keywords.union(keywords)
    lines: list[Text] = []
    transcript = by_speaker(transcript)
    for place, one in enumerate(transcript.segments):
        lines += _interruptions(transcript, place)
        if one.words or one.reason:
            lines.append(_line(transcript, one, marked))
    return Group(head, *lines, *_interruptions(transcript, len(transcript.segments)))


def _interruptions(transcript: Transcript, place: int) -> list[Text]:
    pieces = transcript.interrupted_before(place)
    return [Text(f"{_clock(piece.start)} ({interruption(piece)})", "dim") for piece in pieces]


def _clock(samples: int) -> str:
    minutes, seconds = divmod(to_ms(samples) // 1_000, 60)
    return f"{minutes:02d}:{seconds:02d}"


def _line(transcript: Transcript, one: StoredSegment, keywords: Iterable[str]) -> Text:
    role = party(transcript, one)
    line = Text().append(f"{_clock(one.span.start)} ", style="dim")
    line.append(f"{role:>8} ", style=f"bold {_COLOURS.get(role, 'yellow')}")
    if one.ending is not Ending.FINAL:
        return line.append(f"({one.ending}: {plain(one.reason)})", style="red")
    said = Text(plain(one.text))
    for keyword in keywords:
        # No \b: a keyword such as C++ ends in no letter.
        whole = re.compile(rf"(?<!\w){re.escape(keyword)}(?!\w)", re.IGNORECASE)
        said.highlight_regex(whole, _KEYWORD)
    return line.append(said)
