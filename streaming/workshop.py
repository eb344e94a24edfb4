"""Where calls are put together of their parts: new ones, ones that go on, and ones that only have to end."""

import secrets
from collections.abc import Callable
from dataclasses import replace

import structlog
from redis.asyncio import Redis

from protocol.bridge import CallOpened
from protocol.clock import ENGINE_RATE, from_seconds
from protocol.events import Entry
from protocol.keys import CallKeys

from .call import Call, Identity
from .channel import Channel, Origin
from .checkpoint import Checkpoint, hashed
from .conversation import Conversation
from .ear import Ear
from .following import Follower, Newsroom
from .hearing import Hearing
from .ledger import Ledger
from .metrics import GatewayMeter
from .passport.passport import Passport
from .past import Past
from .queue import CallQueue
from .resampler import internal_rate
from .segmenter import Endpointing
from .settings import GatewaySettings

log = structlog.get_logger()


class Workshop:
    """Makes conversations as the settings want them."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        settings: GatewaySettings,
        hearing: Hearing,
        newsroom: Newsroom,
        now: Callable[[], float],
        meter: GatewayMeter,
    ) -> None:
        """`now`: a wall clock, in seconds."""
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        self._hearing = hearing
        self._newsroom = newsroom
        self._now = now
        self._meter = meter

    def keys(self, call_id: str) -> CallKeys:
        """Where the call lies in Redis."""
        return CallKeys.of(call_id, self._partitions)

    def queue(self, call_id: str) -> CallQueue:
        """A way to the call in Redis, for somebody who does not own it yet."""
        return CallQueue(
            self._redis,
            self.keys(call_id),
            secrets.token_hex(8),
            self._settings.log_keep_seconds,
        )

    def begin(
        self,
        queue: CallQueue,
        opened: CallOpened,
        checkpoint: Checkpoint,
        tell: Callable[[Entry], None],
    ) -> Conversation:
        """A call that has just begun."""
        call = self._call(queue, checkpoint)
        call.start(opened.rejected_keywords)
        channels = self._channels(opened, call, [Origin()] * len(opened.roles))
        log.info(
            "call_started",
            call_id=queue.keys.call_id,
            dialect=checkpoint.dialect,
            channels=len(channels),
        )
        self._meter.took(checkpoint.dialect, "begun")
        return self._conversation(call, channels, queue, 0, tell, checkpoint)

    def go_on(
        self,
        queue: CallQueue,
        opened: CallOpened,
        past: Past,
        token: str,
        tell: Callable[[Entry], None],
    ) -> Conversation:
        """
        A call in progress that another connection had before.

        With a token the bridge goes on where we stand; without one its clock has gone on meanwhile.
        """
        checkpoint = replace(
            past.checkpoint, config=past.config, token=hashed(token) if token else b""
        )
        call = self._call(queue, checkpoint)
        call.recall(past)
        if opened.config.keywords.terms not in ((), call.config.keywords.terms):
            call.change_keywords(opened.config.keywords.terms, opened.rejected_keywords)
        origins = [_origin(past, number) for number in range(len(opened.roles))]
        channels = self._channels(opened, call, origins)
        if not opened.token:
            clock = from_seconds(max(0.0, self._now() - checkpoint.started_at))
            position = max(clock, *(origin.position for origin in origins))
            for channel in channels:
                channel.skip_to(position)
        log.info("call_continued", call_id=queue.keys.call_id, dialect=checkpoint.dialect)
        self._meter.took(checkpoint.dialect, "continued")
        after = past.last_seq if opened.after is None else opened.after
        return self._conversation(call, channels, queue, after, tell, checkpoint)

    def inherit(self, queue: CallQueue, past: Past) -> Conversation:
        """A call without a bridge, whose gateway is dead: it only has to be brought to its end."""
        call = self._call(queue, replace(past.checkpoint, config=past.config))
        call.recall(past)
        channels = range(len(past.checkpoint.roles))
        duration = max((past.heard(channel) for channel in channels), default=0)
        call.end("gateway lost", [past.totals(channel) for channel in channels], duration)
        self._meter.took(past.checkpoint.dialect, "forsaken")
        return self._conversation(call, [], queue, past.last_seq, lambda _: None, past.checkpoint)

    def _conversation(
        self,
        call: Call,
        channels: list[Channel],
        queue: CallQueue,
        after: int,
        tell: Callable[[Entry], None],
        checkpoint: Checkpoint,
    ) -> Conversation:
        """Told what is in the log behind `after`."""
        follower = Follower(self._redis, self._newsroom, queue.keys, after)
        return Conversation(call, channels, queue, follower, tell, checkpoint, self._meter)

    def _call(self, queue: CallQueue, checkpoint: Checkpoint) -> Call:
        identity = Identity(
            queue.keys.call_id,
            queue.log,
            checkpoint.roles,
            checkpoint.dialect,
            checkpoint.started_at,
        )
        piece = 2 * ENGINE_RATE * self._settings.audio_every_ms // 1_000
        every = self._settings.partial_every_ms
        return Call(identity, checkpoint.config, Ledger(piece), every, self._now)

    def _channels(self, opened: CallOpened, call: Call, origins: list[Origin]) -> list[Channel]:
        passport = Passport(len(origins), opened.rate)
        return [
            Channel(number, opened.rate, self._ear(opened), self._hearing, call, origin, passport)
            for number, origin in enumerate(origins)
        ]

    def _ear(self, opened: CallOpened) -> Ear:
        settings = self._settings
        endpointing = Endpointing(
            hangover_ms=settings.hangover_ms, maximum_ms=settings.max_segment_ms
        ).with_hangover(opened.config.hangover_ms)
        return Ear(endpointing, vad=settings.vad, rate=internal_rate(opened.rate))


def _origin(past: Past, channel: int) -> Origin:
    return Origin(past.heard(channel), past.opened(channel), past.totals(channel))
