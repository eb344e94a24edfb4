"""Takes back a call that another gateway adopted because this gateway sent no heartbeat for too long."""

import asyncio
import secrets
from dataclasses import replace

import structlog
from redis.exceptions import RedisError

from ...call.recovery import RecoveredCall
from ...call_store import CallStore, SupersededError
from ...metrics import GatewayMeter
from .ledger_writer import LedgerWriter, back_off
from .log_follower import LogFollower
from .owned_call import OwnedCall
from .renewal import Renewal

logger = structlog.get_logger()


class TakeBack:
    """Recovers the call from Redis and continues it with what the adopter has written."""

    def __init__(
        self,
        owned: OwnedCall,
        store: CallStore,
        renewal: Renewal,
        writer: LedgerWriter,
        follower: LogFollower,
        meter: GatewayMeter,
    ) -> None:
        """`renewal`: builds the parts to continue the call."""
        self._owned = owned
        self._store = store
        self._renewal = renewal
        self._writer = writer
        self._follower = follower
        self._meter = meter

    async def run(self) -> bool:
        """
        Take the call back.

        Returns False if the call is over: its event log has ended and contains all received audio.
        Raises SupersededError if a newer connection of the bridge owns the call.
        """
        checkpoint, failures = self._owned.checkpoint, 0
        name, before = secrets.token_hex(8), None
        while True:
            try:
                before = before or await self._store.recovered(checkpoint)
                if before.has_ended and not await self._has_unlogged_audio(before):
                    await self._follower.read_to_end(self._renewal.log_reader(self._follower.seq))
                    return False
                async with self._writer.checkpointing:
                    recovered, anew = await self._store.take_back(name, checkpoint, before)
                    self._renew(recovered, anew=anew)
            except (RedisError, OSError):
                await asyncio.sleep(back_off(failures))
                failures += 1
            else:
                return True

    def _renew(self, recovered: RecoveredCall, *, anew: bool) -> None:
        """
        Replace `Call` by one built from `recovered`, and process audio that it does not contain again.

        `anew`: the old event log has ended, so the call continues in a new one.
        """
        owned, renewal = self._owned, self._renewal
        logger.warning("call_taken_back", call_id=self._store.keys.call_id)
        former, count = owned.call, len(owned.channels)
        owned.start = replace(owned.start, config=former.config)
        make = renewal.begun_anew if anew else renewal.recalled
        owned.call, origins = make(recovered, owned.start, count)
        self._follower.restart(renewal.log_reader(0 if anew else self._follower.seq))
        owned.lost, owned.is_log_lost = None, False
        if anew and owned.audio is not None and not former.end_reason:
            owned.call.keep_audio(owned.audio.begin())
        marks = owned.call.carry_over(former)
        renewal.restart(owned.channels, owned.call, origins)
        for mark in marks:
            owned.call.mark(mark)
        if marks or former.end_reason:
            owned.pause()
        if former.end_reason:
            owned.end(former.end_reason)
        self._meter.took(owned.start.dialect, "taken_back")
        owned.wake()

    async def _has_unlogged_audio(self, recovered: RecoveredCall) -> bool:
        """Return whether the bridge has sent, or now sends, audio that an ended log does not contain.  May wait."""
        owned = self._owned
        arrived = [channel.arrived for channel in owned.channels]
        while True:
            if owned.is_leaving:
                raise owned.lost or SupersededError
            if any(
                owned.call.ledger.reaches(one, recovered.heard(one)) for one in range(len(arrived))
            ):
                return True
            if arrived != [channel.arrived for channel in owned.channels]:
                return True
            if not owned.is_live:
                return False
            owned.due.clear()
            owned.wakes_on_audio = True
            try:
                await owned.due.wait()
            finally:
                owned.wakes_on_audio = False
