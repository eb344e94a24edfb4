"""Play a call and show its captions on the terminal."""

import asyncio
import time
from typing import Any

from rich.console import Console
from rich.live import Live

from .captions import Captions
from .simulated_bridge import Playback, play

_REFRESHES_PER_SECOND = 5


async def play_with_captions(playback: Playback, hang_up: asyncio.Event) -> Captions:
    """Play the call and show live captions; without a terminal, only finals as plain lines."""
    captions = Captions(playback.plan.keywords)
    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        show = _Show(playback, captions, console, live)
        await play(playback, show.heard, show.progress, hang_up)
    return captions


class _Show:
    """Updates the terminal when an event arrives or audio is sent."""

    def __init__(
        self, playback: Playback, captions: Captions, console: Console, live: Live
    ) -> None:
        self._playback = playback
        self._captions = captions
        self._console = console
        self._live = live
        self._began = time.monotonic()
        self._refreshes = -1

    def heard(self, event: dict[str, Any]) -> None:
        """Show an event that has arrived."""
        now_ms = (time.monotonic() - self._began) * 1_000 * self._playback.pace
        if said := self._captions.take(event, now_ms):
            self._console.print(said.text, soft_wrap=not self._console.is_terminal)
        self._refresh()

    def progress(self, seconds: float) -> None:
        """Show that `seconds` of the call have been sent."""
        if self._refreshes < 0:  # the clock starts with the first frame
            self._began = time.monotonic() - seconds / self._playback.pace
        refreshes = int(seconds * _REFRESHES_PER_SECOND)
        if refreshes != self._refreshes:
            self._refreshes = refreshes
            total, call_id = self._playback.recording.seconds, self._playback.plan.call_id
            self._captions.say(f"{seconds:5.0f} of {total:.0f} s  call {call_id}  Ctrl-C hangs up")
            self._refresh()

    def _refresh(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._captions.render(), refresh=True)
