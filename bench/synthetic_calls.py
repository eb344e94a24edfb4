"""
Calls in progress whose events are made up, written to Redis by the scripts of a gateway and of a worker.

For benchmarks and pictures of pages: without audio and engine, but with real logs, partials and heartbeats.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from redis.asyncio import Redis

from broker.redis_keys import CallKeys
from protocol.calls.call import CallConfig, Role
from protocol.clock import from_seconds, to_seconds
from protocol.events import (
    AudioGap,
    CallEnded,
    CallStarted,
    CardAdded,
    ChannelTotals,
    Fault,
    Final,
    KeywordsApplied,
    LineWarning,
    LoadChanged,
    LoadLevel,
    LoggedEvent,
    Partial,
    SegmentId,
    Span,
    SpeechStarted,
    Timing,
    Word,
)
from protocol.events.event_codec import encode_event
from streaming.call.checkpoint import Checkpoint
from streaming.call.event_keys import name_of
from streaming.call.ledger import LogEvent
from streaming.call_store import CallStore

KEYWORDS = ("Orvanta", "Acme", "Priya Raman", "invoice", "refund", "Model Twelve")
_AGENTS = (
    "Priya Raman",
    "Tom Okafor",
    "Lena Vogt",
    "Marcus Hill",
    "Aisha Noor",
    "Jonas Weber",
    "Sofia Marin",
)
_LANGUAGES = ("en", "en", "en", "de", "fr", "es")
_ROLES = (Role.AGENT, Role.CUSTOMER)
_SENTENCES = (
    "thank you for calling Acme, my name is {agent}, how can I help you today",
    "hello, I have a question about my last invoice, it is higher than it should be",
    "of course, can you give me the number at the top of the invoice please",
    "yes, it is four seven one nine, and the amount is one hundred and twenty dollars",
    "I see it here, there was a second delivery in the same month",
    "I never ordered a second delivery, so I would like a refund",
    "let me check that for you, it takes a moment",
    "sure, I can wait, but I have waited twenty minutes already",
    "the Orvanta was sent on the third, and another one on the ninth",
    "that must be a mistake, we only have one Model Twelve in the office",
    "I am sorry about that, I will arrange the refund right away",
    "how long will it take until the money is back",
    "usually three to five working days, you will get an email",
    "all right, and if it does not arrive I want to cancel my contract",
    "I understand, here is the reference, so you can come back to us",
    "great, thank you for your help",
)


@dataclass(slots=True)
class SyntheticCall:
    """One call.  `pace`: seconds of the call per second of the clock."""

    redis: Redis
    call_id: str
    chance: random.Random
    pace: float = 1.0
    partials_per_second: float = 2.0
    troubled: bool = False
    before: float = 60.0
    """Longest time in seconds for which the call has been going on when it is opened."""

    finals: int = 0
    partials: int = 0
    _numbers: list[int] = field(default_factory=lambda: [0, 0])
    _position: int = 0
    _agent: str = ""
    _queue: CallStore = field(init=False)
    _checkpoint: Checkpoint = field(init=False)

    async def run(self, until: asyncio.Event) -> None:
        """Open the call, talk until `until` is set, and end it."""
        keys = CallKeys.of(self.call_id, 1)
        self._queue = CallStore(self.redis, keys, self.call_id)
        self._agent = self.chance.choice(_AGENTS)
        started = time.time() - self.chance.uniform(0, self.before)
        language = self.chance.choice(_LANGUAGES)
        self._checkpoint = Checkpoint(_ROLES, "twilio", started, CallConfig(language), (0, 0))
        await self._queue.open(f"log-{self.call_id}", self._checkpoint)
        number = f"+1 555 01{self.chance.randrange(100):02d}"
        metadata = (("agent", self._agent), ("from", number))
        await self._log(CallStarted(_ROLES, language, "twilio", started, metadata, 8_000))
        await self._log(KeywordsApplied(0, KEYWORDS, ()))
        beating = asyncio.create_task(self._beat())
        turns = self._turns()
        try:
            while to_seconds(self._position) < time.time() - started:
                await self._talk(*next(turns), is_past=True)
            while not until.is_set():
                await self._talk(*next(turns))
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        totals = (ChannelTotals(transcribed=self._position),) * 2
        await self._log(CallEnded("completed", self._position, sum(self._numbers), totals))
        await self._queue.retire()

    def _turns(self) -> Iterator[tuple[int, str]]:
        place = self.chance.randrange(len(_SENTENCES))
        while True:
            yield place % 2, _SENTENCES[place % len(_SENTENCES)].format(agent=self._agent)
            place += 1

    async def _talk(self, channel: int, sentence: str, *, is_past: bool = False) -> None:
        """Say a sentence: speech start, partials as it grows, final; then a pause.  `is_past`: at once."""
        words = sentence.split()
        segment = SegmentId(channel, self._numbers[channel])
        self._numbers[channel] += 1
        start = max(0, self._position + from_seconds(self.chance.uniform(-0.8, 0.9)))
        if self.chance.random() < 0.08:
            start += from_seconds(self.chance.uniform(4, 12))
        await self._log(SpeechStarted(segment, start))
        seconds = 0.36 * len(words)
        steps = max(1, int(seconds * self.partials_per_second))
        for step in range(1, 0 if is_past else steps + 1):
            await asyncio.sleep(seconds / steps / self.pace)
            said = words[: max(1, len(words) * step // steps)]
            span = Span(start, start + from_seconds(seconds * step / steps))
            await self._show(Partial(segment, span, step, tuple(map(Word, said)), len(said) - 1))
        self._position = start + from_seconds(seconds)
        found = tuple(one for one in KEYWORDS if one.casefold() in sentence.casefold())
        timing = Timing(self.chance.randrange(5, 60), int(80 + self.chance.expovariate(1 / 120)))
        span, text = Span(start, self._position), tuple(map(Word, words))
        await self._log(Final(segment, span, text, "en", 0, found, "synthetic", timing))
        self.finals += 1
        if self.troubled:
            await self._trouble(channel)
        if not is_past:
            await asyncio.sleep(self.chance.uniform(0.2, 1.2) / self.pace)

    async def _trouble(self, channel: int) -> None:
        """Once: a fault of the line, lost audio, a card, or degradation."""
        self.troubled = False
        check = "check the codec of the trunk, and whether the line is noisy"
        fault = self.chance.choice(
            (Fault.PACKET_LOSS, Fault.NOISE, Fault.CLIPPING, Fault.TOO_QUIET)
        )
        await self._log(LineWarning(channel, fault, check, 4.2, "%", self._position))
        if self.chance.random() < 0.5:
            gap = Span(self._position, self._position + from_seconds(2.4))
            await self._log(AudioGap(channel, gap, "not received"))
        if self.chance.random() < 0.4:
            await self._log(LoadChanged(0, LoadLevel.FEWER_PARTIALS))
        await self._log(
            CardAdded(f"card-{self.call_id}", "Offer the loyalty discount", self._position)
        )

    async def _log(self, event: LoggedEvent) -> None:
        await self._queue.perform([LogEvent(name_of(event, 0), encode_event(event))])

    async def _show(self, partial: Partial) -> None:
        self.partials += 1
        await self.redis.publish(self._queue.keys.live, b"- " + encode_event(partial))

    async def _beat(self) -> None:
        while True:
            await self._queue.heartbeat(self._checkpoint)
            await asyncio.sleep(2)


async def talk(
    redis: Redis,
    count: int,
    until: asyncio.Event,
    *,
    name: str = "call",
    pace: float = 1.0,
    before: float = 60.0,
    into: list[SyntheticCall] | None = None,
) -> list[SyntheticCall]:
    """Run `count` calls until `until` is set.  Returns them, with what they have sent; also in `into`."""
    calls = [
        SyntheticCall(
            redis,
            f"{name}-{4200 + number}",
            random.Random(number),
            pace,
            troubled=number % 6 == 2,
            before=before,
        )
        for number in range(count)
    ]
    if into is not None:
        into += calls
    async with asyncio.TaskGroup() as tasks:
        for call in calls:
            tasks.create_task(call.run(until))
            await asyncio.sleep(0.02)
    return calls
