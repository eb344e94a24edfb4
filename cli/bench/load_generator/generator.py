"""
Open-loop load generator, a process of its own: `python -m cli.bench.load_generator.generator`.

Reads a plan from its input and writes a report to its output.

The schedule of all frames is fixed before the run, so a slow server does not slow the generator down (no
coordinated omission).  One thread serves all sockets.  A probe call asks for a `pong` at fixed times: the time from
the scheduled request to the answer is how long a frame waits for the gateway (frame lag).  Requests without an
answer count as well.
"""

import os
import secrets
import selectors
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from .bridge import FRAME_SECONDS, Bridge
from .load_plan import LoadPlan, LoadReport
from .traffic import PING, SILENCE, TRAFFIC, Pong, read_event
from .websocket_client import BINARY, Connection, Server, State, frame

_PROBE_SECONDS = 0.0173
"""No multiple or divisor of the 20 ms of a frame, so that probes arrive in all phases of the gateway's tick."""

_POLL_SECONDS = 0.001
"""Longest time for which arrived messages may wait while frames are due."""

OnMessage = Callable[[float, bytes], None]
OnClosed = Callable[[float], None]


class Sockets:
    """Watches the connections of a generator."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._selector = selectors.DefaultSelector()
        self._open: dict[Connection, tuple[OnMessage, OnClosed]] = {}
        self._polled = 0.0

    def connect(self, path: str, on_message: OnMessage, on_closed: OnClosed) -> Connection:
        """Begin to connect; see `Connect`."""
        connection = Connection(self._server, path)
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.register(connection.socket, both, connection)
        self._open[connection] = on_message, on_closed
        return connection

    def serve(self, until: float) -> None:
        """Read and write until that time; at least once in a while if it is over already."""
        while (left := until - (now := time.monotonic())) > 0 or now - self._polled > _POLL_SECONDS:
            for key, _ in self._selector.select(max(0.0, left)):
                self._on_ready(key.data)
            self._polled = time.monotonic()
            if left <= 0:
                return

    def _on_ready(self, connection: Connection) -> None:
        on_message, on_closed = self._open[connection]
        number = connection.socket.fileno()
        for payload in connection.on_ready():
            on_message(time.monotonic(), payload)
        if connection.state is State.CLOSED:
            self._selector.unregister(number)
            del self._open[connection]
            on_closed(time.monotonic())
        elif not connection.wants_to_write:
            self._selector.modify(number, selectors.EVENT_READ, connection)


class Probe:
    """A native call that sends one frame of audio and asks for a `pong` at fixed times."""

    def __init__(self, sockets: Sockets, begins: float) -> None:
        """`begins`: time of the first request."""
        self._connection = sockets.connect(TRAFFIC["native"].path, self._on_message, lambda _: None)
        self._connection.send(TRAFFIC["native"].opening(f"bench-probe-{secrets.token_hex(8)}"))
        self._connection.send(
            frame(BINARY, SILENCE)
        )  # a call without any audio is closed after a while
        self._asked: deque[float] = deque()
        self.next = begins
        self.lag: list[float] = []
        self.lateness: list[float] = []

    def ask(self) -> None:
        """Send the request that is due."""
        self.lateness.append(1_000 * (time.monotonic() - self.next))
        self._asked.append(self.next)
        self._connection.send(PING)
        self.next += _PROBE_SECONDS

    def _on_message(self, now: float, payload: bytes) -> None:
        if isinstance(read_event(payload), Pong) and self._asked:
            self.lag.append(1_000 * (now - self._asked.popleft()))

    def begin_to_measure(self) -> None:
        """Forget what was measured before."""
        self.lag.clear()
        self.lateness.clear()

    def unanswered(self, now: float) -> list[float]:
        """Return for how long the requests without an answer have waited, in milliseconds."""
        return [1_000 * (now - at) for at in self._asked]


class Generator:
    """Plays the calls of one plan."""

    def __init__(self, plan: LoadPlan) -> None:
        raw = Path(plan.audio).read_bytes()
        audio = raw[: len(raw) // 2], raw[len(raw) // 2 :]
        self._plan = plan
        self.report = LoadReport()
        self._sockets = Sockets(Server.of(plan.url, plan.key))
        self._bridges = [
            Bridge(
                TRAFFIC[plan.dialect],
                audio,
                plan.first + number,
                plan.begins + plan.spread * number / plan.calls,
                self._sockets.connect,
                self.report,
                plan.tail_ms,
                listens=plan.listens,
            )
            for number in range(plan.calls)
        ]
        self._probe = Probe(self._sockets, plan.begins) if plan.probe else None

    def play(self) -> LoadReport:
        """Play to the end and return what was seen."""
        plan = self._plan
        self._sockets.serve(plan.begins)
        rounds = int((plan.ends - plan.begins) / FRAME_SECONDS)
        first_measured = int((plan.measured_from - plan.begins) / FRAME_SECONDS)
        parent = os.getppid()
        for number in range(rounds):
            if number % 50 == 0 and os.getppid() != parent:
                sys.exit(1)  # nobody waits for the report
            if number == first_measured:
                self._begin_to_measure()
            self._play_round(plan.begins + number * FRAME_SECONDS)
        self._end()
        return self.report

    def _play_round(self, begins: float) -> None:
        apart = FRAME_SECONDS / max(1, len(self._bridges))
        for place, bridge in enumerate(self._bridges):
            due = begins + place * apart
            if not bridge.is_due(due):
                continue
            self._serve(due)
            self.report.lateness.append(1_000 * (time.monotonic() - due))
            self.report.frames += bridge.tick(due)
        self._serve(begins + FRAME_SECONDS - apart)

    def _serve(self, until: float) -> None:
        """Serve the sockets until that time, and send the probes that are due before it."""
        while self._probe and self._probe.next <= until:
            self._sockets.serve(self._probe.next)
            self._probe.ask()
        self._sockets.serve(until)

    def _begin_to_measure(self) -> None:
        self.report.frames = 0
        self.report.lateness.clear()
        self.report.open_calls = sum(one.is_held for one in self._bridges)
        for bridge in self._bridges:
            bridge.is_measured = True
        if self._probe:
            self._probe.begin_to_measure()

    def _end(self) -> None:
        """Hang up, and wait for the last finals."""
        now = time.monotonic()
        if self._probe:
            self.report.lag = [*self._probe.lag, *self._probe.unanswered(now)]
            self.report.probe_lateness = self._probe.lateness
        for bridge in self._bridges:
            bridge.is_measured = False
            bridge.hang_up()
        until = time.monotonic() + self._plan.settle
        while time.monotonic() < until and any(one.is_up for one in self._bridges):
            self._sockets.serve(min(until, time.monotonic() + 0.05))
        self.report.calls = [one.call for one in self._bridges if one.call]
        self.report.cpu_s = time.process_time()


def main() -> None:
    """Say when it is ready, read a plan from standard input, play it, and write the report to standard output."""
    print("ready", flush=True)  # to the parent, which then fixes the times of the plan
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
    sys.stdout.buffer.write(msgspec.json.encode(Generator(plan).play()))


if __name__ == "__main__":
    main()
