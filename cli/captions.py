"""
Live captions in a terminal.

`Captions` is the model: events in, something to look at out.  Finals scroll away above; below them stands,
for each channel, what is being said now.
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
class Said:
    """A final, ready to be printed."""

    text: Text


class Captions:
    """What is being said in one call.  Takes public events (docs/native-protocol.md)."""

    def __init__(self, keywords: Iterable[str] = ()) -> None:
        self._keywords = tuple(keywords)
        self._open: dict[str, tuple[str, Text]] = {}
        self._settled: set[str] = set()
        self._status = ""
        self.lags: list[float] = []
        """Of each final, milliseconds from the end of its segment to its arrival."""

        self.ended: Mapping[str, Any] | None = None
        """`call.ended`, when it has come."""

    def take(self, event: Mapping[str, Any], played_ms: float) -> Said | None:
        """One event, at a time when `played_ms` of the call had been sent; a final to print, if it is one."""
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
                return Said(Text(f"  ({event['role']}: {plain(event['reason'])})", style="red"))
            case "keywords.applied" if event["rejected"]:
                refused = plain(", ".join(event["rejected"]))
                return Said(Text(f"  (keywords not used: {refused})", style="red"))
            case "call.ended":
                self.ended = event
            case _:  # what is of no interest to a reader
                pass
        return None

    def _feed(self, event: Mapping[str, Any], text: Text) -> None:
        """Somebody is speaking.  What comes behind the final is late, and of no use."""
        if event["segment_id"] not in self._settled:
            self._open[event["segment_id"]] = (event["role"], text)

    def _settle(self, event: Mapping[str, Any]) -> None:
        self._settled.add(event["segment_id"])
        self._open.pop(event["segment_id"], None)

    def say(self, status: str) -> None:
        """What stands in the last line."""
        self._status = status

    def render(self) -> RenderableType:
        """What is being said now, and the status."""
        lines = [
            Text.assemble(_label(role), text)
            for role, text in sorted(self._open.values(), key=lambda o: o[0])
        ]
        return Group(*lines, Text(self._status, style="dim"))

    def _partial(self, event: Mapping[str, Any]) -> Text:
        """Words that will stay stand out from those that may change."""
        text = Text()
        for word in event["words"]:
            text.append(plain(word["w"]), style="" if word["stable"] else "dim italic").append(" ")
        return self._marked(text).append("…", style="dim")

    def _final(self, event: Mapping[str, Any], played_ms: float) -> Said:
        lag = max(0.0, played_ms - event["end_ms"])
        self.lags.append(lag)
        minutes, seconds = divmod(event["start_ms"] // 1_000, 60)
        return Said(
            Text.assemble(
                (f"{minutes:02d}:{seconds:02d} ", "dim"),
                _label(event["role"]),
                self._marked(Text(plain(event["text"]))),
                (f"  +{lag / 1_000:.1f} s", "dim"),
            )
        )

    def _marked(self, text: Text) -> Text:
        for keyword in self._keywords:
            # not \b: a keyword may end in a sign, such as C++
            whole = rf"(?<!\w){re.escape(keyword)}(?!\w)"
            text.highlight_regex(re.compile(whole, re.IGNORECASE), _KEYWORD)
        return text


def _label(role: str) -> Text:
    return Text(f"{role:>8} ", style=f"bold {_COLOURS.get(role, 'white')}")
