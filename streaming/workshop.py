"""Where calls are put together of their parts: new ones, ones that go on, and ones that only have to end."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog
from redis.asyncio import Redis

from protocol.bridge import CallOpened
from protocol.call import CallConfig
from protocol.capacity import Task
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
from .renewal import Renewal, origin_of
from .resampler import internal_rate
from .segmenter import RECORDED, Endpointing
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
        self.keyword_limit: Callable[[Task], int | None] = lambda _: None
        """Most keywords that the workers for a task can use in one segment; None: no limit."""

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
            self._settings.memory_share,
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
        renewal = self._renewal(queue, opened)
        return self._conversation(call, channels, queue, 0, tell, checkpoint, renewal)

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
            past.checkpoint, config=past.config, token=hashed(token) if token else b"", marks=()
        )
        opened = replace(opened, config=_completed(opened.config, past.config))
        call = self._call(queue, checkpoint)
        call.recall(past)
        if opened.config.keywords.terms not in ((), call.config.keywords.terms):
            call.change_keywords(opened.config.keywords.terms, opened.rejected_keywords)
        origins = [origin_of(past, number) for number in range(len(opened.roles))]
        channels = self._channels(opened, call, origins, past)
        if opened.token:  # the bridge is the same, and waits for what it asked
            for mark in past.unanswered:
                call.mark(mark)
        else:
            clock = from_seconds(max(0.0, self._now() - checkpoint.started_at))
            position = max(clock, *(origin.position for origin in origins))
            for channel in channels:
                channel.skip_to(position)
        log.info("call_continued", call_id=queue.keys.call_id, dialect=checkpoint.dialect)
        self._meter.took(checkpoint.dialect, "continued")
        after = past.last_seq if opened.after is None else opened.after
        renewal = self._renewal(queue, opened)
        return self._conversation(call, channels, queue, after, tell, checkpoint, renewal)

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
        renewal: Renewal | None = None,
    ) -> Conversation:
        """Told what is in the log behind `after`."""
        follower = self._follower(queue, after)
        return Conversation(call, channels, queue, follower, tell, checkpoint, self._meter, renewal)

    def _renewal(self, queue: CallQueue, opened: CallOpened) -> Renewal:
        return Renewal(
            partial(self._call, queue), partial(self._ear, opened), partial(self._follower, queue)
        )

    def _follower(self, queue: CallQueue, after: int) -> Follower:
        return Follower(self._redis, self._newsroom, queue.keys, after)

    def _call(self, queue: CallQueue, checkpoint: Checkpoint) -> Call:
        identity = Identity(
            queue.keys.call_id,
            queue.log,
            checkpoint.roles,
            checkpoint.dialect,
            checkpoint.started_at,
        )
        piece = 2 * ENGINE_RATE * self._settings.audio_every_ms // 1_000
        ledger = Ledger(piece, recorded=checkpoint.config.recorded)
        every = self._settings.partial_every_ms
        return Call(identity, checkpoint.config, ledger, every, self._now, self.keyword_limit)

    def _channels(
        self, opened: CallOpened, call: Call, origins: list[Origin], past: Past | None = None
    ) -> list[Channel]:
        passport = Passport(len(origins), opened.rate)
        if past is not None:
            passport.recall(past.warnings, [origin.position for origin in origins])
        return [
            Channel(number, opened.rate, self._ear(opened), self._hearing, call, origin, passport)
            for number, origin in enumerate(origins)
        ]

    def _ear(self, opened: CallOpened) -> Ear:
        settings = self._settings
        if opened.config.recorded:
            return Ear(RECORDED, vad=settings.vad, rate=internal_rate(opened.rate))
        endpointing = Endpointing(
            hangover_ms=settings.hangover_ms, maximum_ms=settings.max_segment_ms
        ).with_hangover(opened.config.hangover_ms)
        return Ear(endpointing, vad=settings.vad, rate=internal_rate(opened.rate))


def _completed(said: CallConfig, known: CallConfig) -> CallConfig:
    """What a bridge that comes back says of its call; what it leaves out is as it was."""
    return said if said.hangover_ms else replace(said, hangover_ms=known.hangover_ms)
