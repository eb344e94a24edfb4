"""
All ears of the process, listened to together.

Silero judges many channels in one run for little more than one.  Frames of many calls arrive in one turn of
the event loop when it is busy, one by one when it is not: so whatever has arrived by the end of the turn is
heard together, and nobody waits for anybody.
"""

import asyncio
from collections.abc import Callable

from .ear import Ear, SoundEvent, listen
from .vad import Silero, silero_weights

Deliver = Callable[[list[SoundEvent]], None]
"""Who wants to know what an ear has made out; called in the event loop, must not block."""


class Hearing:
    """Ears that have something new, until the end of this turn of the loop."""

    def __init__(self) -> None:
        weights = silero_weights()
        self._silero = Silero(weights) if weights else None
        self._listeners: dict[Ear, Deliver] = {}

    def soon(self, ear: Ear, deliver: Deliver) -> None:
        """`ear` has heard something: say what, at the end of this turn."""
        if not self._listeners:
            asyncio.get_running_loop().call_soon(self._listen)
        self._listeners[ear] = deliver

    def now(self, ear: Ear, deliver: Deliver) -> None:
        """The same at once, because something else depends on it."""
        self._listeners.pop(ear, None)
        listen([ear], self._silero)
        deliver(ear.drain())

    def _listen(self) -> None:
        listeners, self._listeners = self._listeners, {}
        listen(list(listeners), self._silero)
        for ear, deliver in listeners.items():
            deliver(ear.drain())
