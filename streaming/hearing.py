"""
All ears of the process, listened to together.

Silero judges many channels in one run for little more than one.  Frames of many calls arrive in one turn of
the event loop when it is busy, one by one when it is not: so whatever has arrived by the end of the turn is
heard together, and nobody waits for anybody.
"""

import asyncio
from collections.abc import Callable

from .ear import Ear, Judge, SoundEvent, listen

Deliver = Callable[[list[SoundEvent]], None]
"""Who wants to know what an ear has made out; called in the event loop, must not block."""


class Hearing:
    """Ears that have something new, until the end of this turn of the loop."""

    def __init__(self, silero: Judge | None) -> None:
        self._silero = silero
        self._waiting: dict[Ear, Deliver] = {}

    def soon(self, ear: Ear, deliver: Deliver) -> None:
        """`ear` has heard something: say what, at the end of this turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._listen)
        self._waiting[ear] = deliver

    def forget(self, ear: Ear) -> None:
        """Nobody wants to know any more what `ear` has heard."""
        self._waiting.pop(ear, None)

    def now(self, ear: Ear, deliver: Deliver) -> None:
        """The same at once and to the last sample, because something else depends on it."""
        self._waiting.pop(ear, None)
        deliver(listen([ear], self._silero)[0])
        while ear.question:
            deliver(listen([ear], self._silero)[0])

    def _listen(self) -> None:
        waiting, self._waiting = self._waiting, {}
        ears = list(waiting)
        for ear, events in zip(ears, listen(ears, self._silero), strict=True):
            waiting[ear](events)
            if (
                ear.question
            ):  # a flood: the rest of it in the next turn, so that the others get theirs
                self.soon(ear, waiting[ear])
