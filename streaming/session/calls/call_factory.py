"""Builds live calls from their parts: new calls, continued calls, and orphaned calls that only have to end."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from redis.asyncio import Redis

from broker.connections.shared_pipeline import SharedPipeline
from broker.event_log.log_reader import LogReader
from broker.event_log.pubsub import PubSubHub
from broker.redis_keys import CallKeys, Partition
from protocol.bridge_events import CallOpened
from protocol.calls.call import CallConfig, Role
from protocol.calls.call_metadata import shown_metadata
from protocol.clock import from_seconds
from protocol.events import Entry
from protocol.scheduling.worker_capacity import Task
from protocol.tenants import parted

from ...audio.channel_segmenter import ChannelSegmenter
from ...audio.compiled_endpointing import new_tracker
from ...audio.crosstalk import CrosstalkDetector
from ...audio.endpointing_settings import RECORDED, Endpointing
from ...audio.quality.monitor import QualityMonitor
from ...audio.resampler import internal_rate
from ...audio.vad_batcher import VadBatcher
from ...audio_writer import AudioWriter, CallAudio
from ...call.call import Call
from ...call.checkpoint import Checkpoint, hashed
from ...call.identity import CallIdentity
from ...call.ledger import Ledger
from ...call.recovery import RecoveredCall
from ...call_store import CallStore
from ...metrics import GatewayMeter
from ...settings import GatewaySettings
from .channel import Channel
from .channel_origin import ChannelOrigin
from .live_call import LiveCall
from .renewal import Renewal, origin_of
from .shared_turn import SharedTurn

logger = structlog.get_logger()


class CallFactory:
    """Builds `LiveCall` objects according to the settings."""

    def __init__(
        self,
        redis: Redis,
        partitions: int,
        settings: GatewaySettings,
        vad_batcher: VadBatcher,
        pubsub_hub: PubSubHub,
        now: Callable[[], float],
        meter: GatewayMeter,
    ) -> None:
        """`now` returns the wall-clock time, in Unix seconds."""
        self._redis = redis
        self._partitions = partitions
        self._settings = settings
        self._vad_batcher = vad_batcher
        self._pubsub_hub = pubsub_hub
        self._now = now
        self._meter = meter
        self._policies = settings.redaction_policies
        self._audio_policy = settings.audio_policy
        self.audio_writer = _audio_writer(settings, meter)
        """Writes kept audio; None if no audio is kept."""
        self._pipelines: dict[Partition, SharedPipeline] = {}
        self._turn = SharedTurn()
        self.keyword_limit: Callable[[Task], int | None] = lambda _: None
        """Returns the most keywords that all workers of a task can use in one segment; None: no limit."""

    def keys(self, call_id: str) -> CallKeys:
        """Return the Redis keys of a call."""
        return CallKeys.of(call_id, self._partitions)

    def queue(self, call_id: str) -> CallStore:
        """Return a store for a call that this gateway does not own yet, with a new random owner name."""
        keys = self.keys(call_id)
        return CallStore(
            self._redis,
            keys,
            secrets.token_hex(8),
            self._settings.log_keep_seconds,
            self._settings.memory_share,
            self._pipelines.setdefault(keys.partition, SharedPipeline(self._redis)),
        )

    def begin(
        self,
        queue: CallStore,
        opened: CallOpened,
        checkpoint: Checkpoint,
        notify: Callable[[Entry], None],
    ) -> LiveCall:
        """
        Build a new call and log its first events.

        `notify` is called with each entry of the event log.
        """
        call = self._call(queue, checkpoint, opened)
        call.start(opened.rejected_keywords)
        audio = self._audio(call, opened)
        channels = self._channels(opened, call, [ChannelOrigin()] * len(opened.roles), audio=audio)
        logger.info(
            "call_started",
            call_id=queue.keys.call_id,
            dialect=checkpoint.dialect,
            channels=len(channels),
        )
        self._meter.took(checkpoint.dialect, "begun")
        renewal = self._renewal(queue, opened)
        return self._live_call(call, channels, queue, 0, notify, checkpoint, renewal, audio)

    def go_on(
        self,
        queue: CallStore,
        opened: CallOpened,
        recovered: RecoveredCall,
        token: str,
        now: float,
        notify: Callable[[Entry], None],
    ) -> LiveCall:
        """
        Build a live call for a call in progress that another connection owned before.  `now`: clock of Redis.

        With a `token` of the bridge, and of a recording, audio continues at the recovered position.  Otherwise the
        bridge's clock has continued meanwhile: the channels skip to the present.
        """
        checkpoint = replace(
            recovered.checkpoint,
            config=replace(
                recovered.config,
                redact=recovered.config.redact | opened.config.redact,
                keep_audio=recovered.config.keep_audio and opened.config.keep_audio,
            ),
            token=hashed(token) if token else b"",
            marks=(),
        )
        opened = replace(opened, config=_completed(opened.config, recovered.config))
        call = self._call(queue, checkpoint, opened)
        call.recall(recovered)
        if opened.config.keywords.terms not in ((), call.config.keywords.terms):
            call.change_keywords(opened.config.keywords.terms, opened.rejected_keywords)
        origins = [origin_of(recovered, number) for number in range(len(opened.roles))]
        audio = self._audio(call, opened)
        channels = self._channels(opened, call, origins, recovered, audio)
        if opened.token:  # the same bridge: it still waits for the answers to its marks
            for mark in recovered.unanswered:
                call.mark(mark)
        elif not opened.config.recorded:
            clock = from_seconds(max(0.0, now - checkpoint.started_at))
            position = max(clock, *(origin.position for origin in origins))
            for channel in channels:
                channel.skip_to(position)
        logger.info("call_continued", call_id=queue.keys.call_id, dialect=checkpoint.dialect)
        self._meter.took(checkpoint.dialect, "continued")
        after = recovered.last_seq if opened.after is None else opened.after
        renewal = self._renewal(queue, opened)
        return self._live_call(call, channels, queue, after, notify, checkpoint, renewal, audio)

    def inherit(self, queue: CallStore, recovered: RecoveredCall) -> LiveCall:
        """Build a live call without a bridge for an orphaned call, so that its segments settle and it ends."""
        call = self._call(queue, replace(recovered.checkpoint, config=recovered.config))
        call.recall(recovered)
        channels = range(len(recovered.checkpoint.roles))
        duration = max((recovered.heard(channel) for channel in channels), default=0)
        call.end("gateway lost", [recovered.totals(channel) for channel in channels], duration)
        self._meter.took(recovered.checkpoint.dialect, "orphaned")
        return self._live_call(
            call, [], queue, recovered.last_seq, lambda _: None, recovered.checkpoint
        )

    def _live_call(
        self,
        call: Call,
        channels: list[Channel],
        queue: CallStore,
        after: int,
        notify: Callable[[Entry], None],
        checkpoint: Checkpoint,
        renewal: Renewal | None = None,
        audio: CallAudio | None = None,
    ) -> LiveCall:
        """Build the live call; its log reader starts after the entry with seq `after`."""
        log_reader = self._log_reader(queue, after)
        parts = (call, channels, queue, log_reader, notify, checkpoint)
        return LiveCall(*parts, self._meter, renewal, audio, self._turn)

    def _audio(self, call: Call, opened: CallOpened) -> CallAudio | None:
        """Begin to keep the audio of a call, if site and client permit it, and log that."""
        config = call.config
        tenant, _ = parted(call.identity.call_id)
        is_kept = config.keep_audio and not config.recorded and self._audio_policy.keeps(tenant)
        if self.audio_writer is None or not is_kept:
            return None
        is_checked = bool(config.redaction.kinds)
        rate = internal_rate(opened.rate)
        audio = CallAudio(self.audio_writer, rate, is_checked=is_checked)
        call.keep_audio(audio.begin())
        return audio

    def _renewal(self, queue: CallStore, opened: CallOpened) -> Renewal:
        return Renewal(
            partial(self._call, queue, opened=opened),
            partial(self._segmenter, opened),
            partial(self._log_reader, queue),
        )

    def _log_reader(self, queue: CallStore, after: int) -> LogReader:
        return LogReader(self._redis, self._pubsub_hub, queue.keys, after)

    def _call(
        self, queue: CallStore, checkpoint: Checkpoint, opened: CallOpened | None = None
    ) -> Call:
        identity = CallIdentity(
            queue.keys.call_id,
            queue.log,
            checkpoint.roles,
            checkpoint.dialect,
            checkpoint.started_at,
            shown_metadata(opened.metadata) if opened else (),
            opened.rate if opened else 0,
            opened.encoding if opened else "",
        )
        rate = internal_rate(opened.rate) if opened else checkpoint.rate
        piece = 2 * rate * self._settings.audio_every_ms // 1_000
        ledger = Ledger(piece, rate=rate, recorded=checkpoint.config.recorded)
        every = self._settings.partial_every_ms
        config = self._redacting(checkpoint.config, queue.keys.call_id)
        return Call(
            identity,
            config,
            ledger,
            every,
            self._now,
            self.keyword_limit,
            queue.stored_list,
            keeps_background=self._settings.keep_background,
        )

    def _redacting(self, config: CallConfig, call_id: str) -> CallConfig:
        """The configuration with what site and tenant say: the policy, and what is told of speakers."""
        tenant, _ = parted(call_id)
        policy = self._policies.of(tenant).widened(config.redact)
        speakers = self._settings.mixed_speakers if config.speakers is None else config.speakers
        roles = config.speaker_roles or self._settings.role_rule
        return replace(config, redaction=policy, speakers=speakers, speaker_roles=roles)

    def _channels(
        self,
        opened: CallOpened,
        call: Call,
        origins: list[ChannelOrigin],
        recovered: RecoveredCall | None = None,
        audio: CallAudio | None = None,
    ) -> list[Channel]:
        quality_monitor = QualityMonitor(len(origins), opened.rate)
        if recovered is not None:
            quality_monitor.recall(recovered.warnings, [origin.position for origin in origins])
        crosstalk = CrosstalkDetector()
        channels = [
            Channel(
                number,
                opened.rate,
                self._segmenter(opened, number),
                self._vad_batcher,
                call,
                origin,
                quality_monitor,
                crosstalk,
                audio=audio,
            )
            for number, origin in enumerate(origins)
        ]
        if Role.MIXED not in opened.roles:  # a mix repeats the parties that other channels carry
            crosstalk.watch(channels)
            for channel in channels:
                channel.companions = channels
        return channels

    def _segmenter(self, opened: CallOpened, channel: int) -> ChannelSegmenter:
        is_shared = opened.roles[channel] is Role.MIXED
        return ChannelSegmenter(
            self._endpointing(opened),
            vad=self._settings.vad,
            rate=internal_rate(opened.rate),
            background=None if is_shared else new_tracker(),
        )

    def _endpointing(self, opened: CallOpened) -> Endpointing:
        if opened.config.recorded:
            return RECORDED
        return self._settings.endpointing.with_hangover(opened.config.hangover_ms)


def _audio_writer(settings: GatewaySettings, meter: GatewayMeter) -> AudioWriter | None:
    keys = settings.audio_keys
    if keys is None or not settings.audio_policy.keeps_any:
        return None
    return AudioWriter(Path(settings.audio_folder), keys, meter)


def _completed(said: CallConfig, known: CallConfig) -> CallConfig:
    """Return the configuration `said` by a reconnecting bridge, with options that it omits taken from `known`."""
    return said if said.hangover_ms else replace(said, hangover_ms=known.hangover_ms)
