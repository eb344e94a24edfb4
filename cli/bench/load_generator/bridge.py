"""A simulated bridge: keeps one call up, and tries again when it is refused, as its gateway asks."""

import math
import os
import random
import re
import secrets
from collections.abc import Callable

from .load_plan import CallReport, LoadReport
from .traffic import (
    FRAME,
    CallRefused,
    Degraded,
    Ended,
    FinalReceived,
    PartialReceived,
    Pong,
    ServerMessage,
    TextMissing,
    Traffic,
    read_event,
)
from .websocket_client import Connection, State

FRAME_SECONDS = 0.02
_RETRY_SECONDS = 1.0, 4.0
"""When a bridge tries again if the gateway does not say when."""

_LISTENS_AFTER = _HELD_AFTER = 50
"""Frames after which a listener follows the call, and after which it counts as held."""

_IN_SECONDS = re.compile(r"in (\d+) s")

Connect = Callable[[str, Callable[[float, bytes], None], Callable[[float], None]], Connection]
"""Opens a connection to a path.  The functions take each message, and the end of the connection, with the time."""


class Bridge:
    """
    One bridge.  Its schedule is fixed: a slow server does not slow it down.

    Call `tick` once for each 20 ms.  All times are in seconds of one monotonic clock.
    """

    def __init__(
        self,
        traffic: Traffic,
        audio: tuple[bytes, bytes],
        place: int,
        first_attempt: float,
        connect: Connect,
        report: LoadReport,
        tail_ms: float,
        *,
        listens: bool,
    ) -> None:
        """
        `place`: number of the bridge, from which its place in the recording follows.

        `tail_ms`: see LoadPlan; `listens`: a listener follows each call whose dialect sends the bridge no results.
        """
        self._traffic = traffic
        self._audio = audio
        self._place = place
        self._attempt_at = first_attempt
        self._connect = connect
        self._report = report
        self._tail_ms = tail_ms
        self._listens = listens and not traffic.has_results
        self._name = f"bench-{os.getpid()}-{secrets.token_hex(3)}-{place}"
        self._origin = first_attempt
        self._tries = 0
        self._connection: Connection | None = None
        self._listener: Connection | None = None
        self._call_id = ""
        self._began = 0.0
        self._frames = 0
        self._refused = ""
        self._is_hanging_up = False
        self.is_measured = False
        """Whether latencies count."""

        self.call: CallReport | None = None
        """The call that the gateway has accepted; None before that."""

    @property
    def is_up(self) -> bool:
        """Whether a call is in progress, or its end is not known yet."""
        return self.call is not None and not self.call.ended and not self.call.error

    @property
    def is_held(self) -> bool:
        """Whether a call has been in progress for so long that it was not refused."""
        return self.is_up and self._frames >= _HELD_AFTER

    def is_due(self, now: float) -> bool:
        """Return whether `tick` has anything to do."""
        return self._connection is not None or now >= self._attempt_at

    def tick(self, due: float) -> bool:
        """Do what is due in this frame.  Returns whether a frame of audio was sent."""
        connection = self._connection
        if connection is None:
            if due >= self._attempt_at and not self._is_hanging_up:
                self._open()
            return False
        if connection.state is not State.OPEN or self._refused:
            return False
        if self.call is None:
            self._begin(connection, due)
            return False
        if self._is_hanging_up or self.call.ended:
            return False
        connection.send(self._next_frame())
        self._frames += 1
        if self._listens and self._frames == _LISTENS_AFTER:
            self._listen()
        self.call.sent_ms += 1_000 * FRAME_SECONDS
        return True

    def hang_up(self) -> None:
        """End the call."""
        self._is_hanging_up = True
        if self._connection is None:
            return
        if self.is_up:
            self._connection.send(self._traffic.closing)
        elif self.call is None:
            self._connection.fail("")

    def _open(self) -> None:
        self._tries += 1
        self._refused = ""
        self._connection = self._connect(self._traffic.path, self._on_message, self._on_closed)

    def _begin(self, connection: Connection, due: float) -> None:
        call_id = f"{self._name}-{self._tries}"
        connection.send(self._traffic.opening(call_id))
        self._began, self._frames = due, 0
        self.call = CallReport(opened=due - self._origin)
        self._call_id = call_id

    def _listen(self) -> None:
        """Follow the call, once it has surely begun."""
        path = f"/v1/calls/{self._call_id}/events"
        self._listener = self._connect(path, self._on_event, lambda _: None)

    def _next_frame(self) -> bytes:
        length = len(self._audio[0]) // FRAME
        at = (self._frames + self._place * 977) % length * FRAME
        agent, customer = (side[at : at + FRAME] for side in self._audio)
        return self._traffic.encode(self._frames, agent, customer)

    def _on_message(self, now: float, payload: bytes) -> None:
        self._take(now, self._traffic.read(payload))

    def _on_event(self, now: float, payload: bytes) -> None:
        self._take(now, read_event(payload))

    def _take(self, now: float, reply: ServerMessage | None) -> None:
        call = self.call
        if call is None or reply is None:
            return
        match reply:
            case FinalReceived():
                call.finals += 1
                self._time_final(now, reply)
            case PartialReceived(end_ms):
                if self.is_measured:
                    self._report.partial.append(self._since(now, end_ms))
            case TextMissing(what):
                call.lost.append(what)
            case Degraded(level):
                call.levels.append(level)
            case Ended(reason, heard_ms):
                call.ended, call.heard_ms = reason, heard_ms
            case CallRefused(reason):
                self._refused = reason
            case Pong():
                pass

    def _since(self, now: float, position_ms: float) -> float:
        return 1_000 * (now - self._began) - position_ms

    def _time_final(self, now: float, final: FinalReceived) -> None:
        if not self.is_measured:
            return
        late = self._since(now, final.end_ms) - self._tail_ms
        if late < 0:  # cut at its greatest length: there was no hang-over
            late += self._tail_ms
        self._report.final.append(late)
        if final.busy_ms is not None:
            self._report.added.append(late - final.busy_ms)

    def _on_closed(self, now: float) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self.call is None or self._refused:
            self._try_again(now, connection)
            return
        self._attempt_at = math.inf
        if self._is_hanging_up and self._listener is None:
            self.call.ended = self.call.ended or "closed"
        elif not self.call.ended and not self._is_hanging_up:
            self.call.error = connection.error or f"closed with {connection.close_code}"

    def _try_again(self, now: float, connection: Connection) -> None:
        """Wait for as long as the gateway asks, then open another call."""
        self.call = None
        if self._is_hanging_up:
            return
        reason = "told to try again" if self._refused else connection.error or "closed"
        self._report.refused[reason] = self._report.refused.get(reason, 0) + 1
        said = _IN_SECONDS.search(self._refused)
        later = float(said[1]) if said else connection.retry_after
        self._attempt_at = now + (random.uniform(*_RETRY_SECONDS) if later is None else later)
