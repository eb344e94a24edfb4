"""One channel of a call: from frames in any order to what the call is told of it."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace
from typing import assert_never

from protocol.audio import Pcm
from protocol.clock import CALL_RATE
from protocol.events import ChannelTotals, Span

from .call import Call
from .ear import Ear, SegmentClosed, SegmentGrew, SegmentOpened, SoundEvent
from .hearing import Hearing
from .timeline import Gap, Late, Placed, Placement, Timeline


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a channel begins: not at 0 when the call was another connection's before."""

    position: int = 0
    segments: int = 0
    totals: ChannelTotals = field(default_factory=ChannelTotals)

    def place(self, event: SoundEvent) -> SoundEvent:
        """What an ear has made out, on the clock of the whole call."""
        number = event.number + self.segments
        match event:
            case SegmentOpened(start=start):
                return replace(event, number=number, start=start + self.position)
            case SegmentClosed(span=span):
                span = Span(span.start + self.position, span.end + self.position)
                return replace(event, number=number, span=span)
            case SegmentGrew():
                return replace(event, number=number)
            case _:
                assert_never(event)


class Channel:
    """Put frames in order, let the ear hear them, tell the call.  `rate` is the bridge's, in Hz."""

    def __init__(
        self, number: int, rate: int, ear: Ear, hearing: Hearing, call: Call, origin: Origin
    ) -> None:
        self._number = number
        self._scale = rate // CALL_RATE
        self._origin = origin
        self._timeline = Timeline(rate, start=origin.position * self._scale)
        self._ear = ear
        self._hearing = hearing
        self._call = call
        self.late = 0
        """Samples that came too late or twice, and were dropped."""

    @property
    def heard(self) -> int:
        """Where the channel stands, on the call clock."""
        return self._origin.position + self._ear.heard

    @property
    def totals(self) -> ChannelTotals:
        """Where its audio went."""
        before, since = astuple(self._origin.totals), astuple(self._ear.totals)
        return ChannelTotals(*(a + b for a, b in zip(before, since, strict=True)))

    def receive(self, position: int | None, pcm: Pcm, deliver: Callable[[], None]) -> None:
        """Take in a frame; `deliver` is called when something has been made out of it."""
        self._place(self._timeline.place(position, pcm))

        def told(events: list[SoundEvent]) -> None:
            self._tell(events)
            deliver()

        self._hearing.soon(self._ear, told)

    def skip_to(self, position: int) -> None:
        """Nothing came between where the channel stands and `position`, on the call clock."""
        self._place(self._timeline.skip_to(position * self._scale))

    def listen_now(self) -> None:
        """Hear out what has arrived, because something that comes next refers to it."""
        self._hearing.now(self._ear, self._tell)

    def finalize(self) -> None:
        """Close the open segment here and now; hearing goes on."""
        self.listen_now()
        self._tell(self._ear.finish())

    def finish(self) -> None:
        """Nothing more will come: what waited for its predecessors is heard, the open segment closed."""
        self._place(self._timeline.flush())
        self.finalize()

    def _place(self, placements: list[Placement]) -> None:
        for placement in placements:
            match placement:
                case Placed(_, pcm):
                    self._ear.hear(pcm)
                case Gap(start, end):
                    self._lose(start, end)
                case Late(samples):
                    self.late += samples
                case _:
                    assert_never(placement)

    def _lose(self, start: int, end: int) -> None:
        self.listen_now()
        self._ear.lose(end - start)
        span = Span(start // self._scale, end // self._scale)
        self._call.miss(self._number, span, "lost upstream")

    def _tell(self, events: list[SoundEvent]) -> None:
        for event in events:
            self._call.sound(self._number, self._origin.place(event))
