"""A bridge that speaks numbers and reconnects after a broken connection: the reference client for resuming."""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from bench.spoken import BASE, POISON, SYLLABLE, WORDS, speak, syllables
from protocol.audio import Encoding, encode

_PAUSE = 4_000
"""Samples of silence after each number: half a second."""

_DIGITS = 4
_FRAME = 160
_PATIENCE = 120.0
"""Seconds to wait for the end of a call that was stopped."""

TERMINAL = ("segment.final", "segment.failed", "segment.dropped")

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallScript:
    """The audio of a call (G.711 mu-law), and the position of each digit in samples."""

    call_id: str
    audio: bytes = field(repr=False)
    digits: tuple[tuple[int, str], ...]
    """Position of each word in samples, and the word that must be written for it."""

    poisoned: int | None
    """Position of the poison in samples."""

    language: str = "en"

    def rest(self, call_id: str, position: int) -> "CallScript | None":
        """Return the numbers from `position` (samples) on, as the script of another call; None if none is left."""
        starts = [at for at, _ in self.digits[::_DIGITS] if at >= position]
        if not starts:
            return None
        offset = starts[0] - _PAUSE
        digits = tuple((at - offset, word) for at, word in self.digits if at >= starts[0])
        return CallScript(call_id, self.audio[offset:], digits, None, self.language)


def script(
    call_id: str,
    numbers: int,
    chance: np.random.Generator,
    *,
    poisoned: bool,
    language: str = "en",
) -> CallScript:
    """Return a script of `numbers` numbers with pauses between them; one is poison if the call is to have one."""
    said = syllables()
    silence = np.zeros(_PAUSE, np.int16)
    poison = int(chance.integers(1, numbers)) if poisoned else -1
    parts, digits, position = [silence], [], _PAUSE
    for place in range(numbers):
        number = POISON if place == poison else _harmless(chance)
        parts += [speak(number, said), silence]
        written = [WORDS[language][int(digit)] for digit in number]
        digits += [(position + SYLLABLE * at, word) for at, word in enumerate(written)]
        position += SYLLABLE * _DIGITS + _PAUSE
    start = digits[_DIGITS * poison][0] if poisoned else None
    audio = encode(np.concatenate(parts), Encoding.MULAW)
    return CallScript(call_id, audio, tuple(digits), start, language)


def _harmless(chance: np.random.Generator) -> str:
    """Return a number with at most one 7, so that the halves of two cut numbers are not poison either."""
    while (number := "".join(str(d) for d in chance.integers(0, BASE, _DIGITS))).count("7") > 1:
        pass
    return number


class Bridge:
    """Streams a script at `pace` times real time to any running gateway."""

    def __init__(self, said: CallScript, urls: list[str], pace: float, dice: random.Random) -> None:
        self.script = said
        self.call_id = said.call_id
        self.log: list[Event] = []
        """The whole log, read at the end by a listener that connects late."""

        self.cuts: list[int] = []
        """Positions, in samples, at which the call was resumed."""

        self.seen: dict[int, Event] = {}
        """The events that the bridge received, by seq."""

        self.contradictions = 0
        """Events that arrived twice with the same seq and different content."""

        self.heard = len(said.audio)
        """Samples that must have been processed: all, because a bridge that reconnects sends everything."""

        self._urls = urls
        self._pace = pace
        self._dice = dice
        self._token = ""
        self._tries = 0
        self._ended = asyncio.Event()
        self._connected = asyncio.Event()

    @property
    def is_talking(self) -> bool:
        """Return whether the call is in progress, as far as the bridge knows."""
        return self._connected.is_set() and not self._ended.is_set()

    @property
    def open_segments(self) -> set[str]:
        """Return the segments that began and have no text yet, as far as the bridge knows."""
        begun = {one["segment_id"] for one in self.seen.values() if one["type"] == "speech.started"}
        ended = {one["segment_id"] for one in self.seen.values() if one["type"] in TERMINAL}
        return begun - ended

    async def connected(self) -> None:
        """Wait until the bridge has a connection, or nothing left to send."""
        waiting = [asyncio.ensure_future(one.wait()) for one in (self._connected, self._ended)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for one in waiting:
            one.cancel()

    async def run(self) -> None:
        """Wait until the call has ended and its log has been read."""
        while not self._ended.is_set():
            with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                await self._converse()
            self._connected.clear()
            await asyncio.sleep(self._dice.uniform(0.05, 0.3))
        while not self._is_whole(self.log):
            with contextlib.suppress(OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                await self._read_log()
            told = [self.seen[seq] for seq in sorted(self.seen)]
            if not self._is_whole(self.log) and self._is_whole(told):
                self.log = told  # the log of an ended call is lost with Valkey

    async def _converse(self) -> None:
        url = self._dice.choice(self._urls)
        async with connect(f"{url}/v1/calls", compression=None, open_timeout=5) as socket:
            await socket.send(json.dumps(self._start()))
            async with asyncio.timeout(10):
                position = await self._ready(socket)
            self._connected.set()
            listening = asyncio.ensure_future(self._listen(socket))
            try:
                await self._stream(socket, position)
                await socket.send('{"type":"stop"}')
                async with asyncio.timeout(_PATIENCE):
                    await listening
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    def _start(self) -> Event:
        start: Event = {"type": "start", "resumable": True, "partials": False}
        start["language"] = self.script.language
        if self._token:
            start |= {"token": self._token, "after": max(self.seen, default=0)}
        else:  # the bridge knows nothing of an earlier attempt
            self._tries += 1
            self.call_id = f"{self.script.call_id}.{self._tries}"
        return start | {"call_id": self.call_id}

    async def _ready(self, socket: ClientConnection) -> int:
        """Return the position to continue from; the end of the call if it is no longer in progress."""
        try:
            async for message in socket:
                event = json.loads(message)
                if event["type"] == "ready":
                    if self._token:
                        self.cuts.append(event["positions"][0])
                    self._token = event["token"]
                    return int(event["positions"][0])
                self._take(event)
        except ConnectionClosed:
            pass
        if (
            socket.close_code == 4400 and self._token
        ):  # without one, the start was too late: try again
            self._ended.set()
        raise ConnectionClosed(None, None)

    async def _listen(self, socket: ClientConnection) -> None:
        async for message in socket:
            self._take(json.loads(message))

    def _take(self, event: Event) -> None:
        if "seq" not in event:
            return
        self.contradictions += self.seen.setdefault(event["seq"], event) != event
        if event["type"] == "call.ended":
            self._ended.set()

    async def _stream(self, socket: ClientConnection, position: int) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, start in enumerate(range(position, len(self.script.audio), _FRAME)):
            await asyncio.sleep(began + number * 0.02 / self._pace - loop.time())
            await socket.send(self.script.audio[start : start + _FRAME])

    @staticmethod
    def _is_whole(log: list[Event]) -> bool:
        return bool(log) and log[-1]["type"] == "call.ended" and log[-1]["seq"] == len(log)

    async def _read_log(self) -> None:
        url = f"{self._dice.choice(self._urls)}/v1/calls/{self.call_id}/events?after=0"
        async with asyncio.timeout(10), connect(url, compression=None) as socket:
            self.log = [json.loads(message) async for message in socket]
