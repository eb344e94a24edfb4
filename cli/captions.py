"""
Live captions in a terminal.

`Captions` is the model: it takes events and returns renderable text.  Finals scroll up; the lines below them show
the open segment of each channel.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from protocol.plain_text import plain

_COLOURS = {"agent": "cyan", "customer": "green", "mixed": "yellow"}
_KEYWORD = "bold black on bright_yellow"


@dataclass(frozen=True, slots=True)
class CaptionLine:
    """A line to print: a final, or why a segment or keyword was not used."""

    text: Text


class Captions:
    """Captions of one call, made from public events (docs/native-protocol.md)."""

    def __init__(self, keywords: Iterable[str] = ()) -> None:
        self._keywords = tuple(keywords)
        self._open: dict[str, tuple[str, Text]] = {}
        self._settled: set[str] = set()
        self._status = ""
        self._has_unread = False
        self.lags: list[float] = []
        """For each final: milliseconds from the end of its segment to its arrival."""

        self.ended: Mapping[str, Any] | None = None
        """The event `call.ended`, once received."""

    def take(self, event: Mapping[str, Any], played_ms: float) -> CaptionLine | None:
        """
        Apply an event received when `played_ms` of the call had been sent.  Returns a line to print, if any.

        An event that cannot be read changes nothing; the first one returns a line that says so.
        """
        try:
            return self._apply(event, played_ms)
        except (LookupError, TypeError, ValueError, AttributeError):
            return self._note_unread()

    def _note_unread(self) -> CaptionLine | None:
        noted, self._has_unread = self._has_unread, True
        text = "  (an event of the gateway cannot be read: update this program)"
        return None if noted else CaptionLine(Text(text, style="red"))

    def _apply(self, event: Mapping[str, Any], played_ms: float) -> CaptionLine | None:
        match event["type"]:
            case "speech.started":
                self._feed(event, Text("…", style="dim"))
            case "segment.partial":
                self._feed(event, self._partial(event))
            case "segment.final":
                self._settle(event)
                return self._final(event, played_ms) if event["text"] else None
            case "segment.failed" | "segment.dropped":
                self._settle(event)
                return CaptionLine(
                    Text(f"  ({event['role']}: {plain(event['reason'])})", style="red")
                )
            case "keywords.applied" if event["rejected"]:
                refused = plain(", ".join(event["rejected"]))
                return CaptionLine(Text(f"  (keywords not used: {refused})", style="red"))
            case "call.ended":
                self.ended = event
            case _:  # events that captions do not show
                pass
        return None

    def _feed(self, event: Mapping[str, Any], text: Text) -> None:
        """Update an open segment.  Partials that arrive after the final are ignored."""
        if event["segment_id"] not in self._settled:
            self._open[event["segment_id"]] = (event["role"], text)

    def _settle(self, event: Mapping[str, Any]) -> None:
        self._settled.add(event["segment_id"])
        self._open.pop(event["segment_id"], None)

    def say(self, status: str) -> None:
        """Set the text of the last line."""
        self._status = status

    def render(self) -> RenderableType:
        """Render the open segments and the status line."""
        lines = [
            Text.assemble(_label(role), text)
            for role, text in sorted(self._open.values(), key=lambda o: o[0])
        ]
        return Group(*lines, Text(self._status, style="dim"))

    def _partial(self, event: Mapping[str, Any]) -> Text:
        """Show stable words in normal type and words that may change in dim italics."""
        text = Text()
        for word in event["words"]:
            text.append(plain(word["w"]), style="" if word["stable"] else "dim italic").append(" ")
        return self._marked(text).append("…", style="dim")

    def _final(self, event: Mapping[str, Any], played_ms: float) -> CaptionLine:
        lag = max(0.0, played_ms - event["end_ms"])
        self.lags.append(lag)
        minutes, seconds = divmod(event["start_ms"] // 1_000, 60)
        return CaptionLine(
            Text.assemble(
                (f"{minutes:02d}:{seconds:02d} ", "dim"),
                _label(event["role"]),
                self._marked(Text(plain(event["text"]))),
                (f"  +{lag / 1_000:.1f} s", "dim"),
            )
        )

    def _marked(self, text: Text) -> Text:
        for keyword in self._keywords:
            # not \b: a keyword may end in a symbol, such as C++
            whole = rf"(?<!\w){re.escape(keyword)}(?!\w)"
            text.highlight_regex(re.compile(whole, re.IGNORECASE), _KEYWORD)
        return text


def _label(role: str) -> Text:
    return Text(f"{role:>8} ", style=f"bold {_COLOURS.get(role, 'white')}")
