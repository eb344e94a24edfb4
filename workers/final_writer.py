"""
Makes the finals that are shown of what an engine has heard, and commits them: speakers, redaction, form.

Speakers and redaction have a state in Redis, which each final changes: a final is committed only together with the
states that it led to, and made again if another segment was committed meanwhile.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from protocol.events import Entry, Final, SegmentId
from protocol.events.event_codec import decode_entry, encode_event
from protocol.formatting.formatter import formatted, unformatted
from protocol.redaction.masking import revised
from protocol.redaction.policy import BY_ENGINE, Policy
from protocol.redaction.redactor import Mask, Revision
from protocol.scheduling.jobs import Job

from .engines.base import Samples
from .job_queue import ClaimedJob, Outcome, WorkQueue
from .names.finder import NameFinder
from .speakers.labelling import assigned_anew, labelled, relabelled, with_new_roles
from .speakers.voice_encoder import HOP, SHORTEST, Voices, VoiceWindows
from .speakers.voice_history import LIVE, RECORDED
from .speakers.weights import HOW_TO_INSTALL
from .text.redaction import RedactedFinal, may_wait, redacted_final

logger = structlog.get_logger()

_States = tuple[bytes, bytes]
"""A state of the call, before and after a final."""


@dataclass(frozen=True, slots=True)
class _Labelled:
    """A final with its speakers, if they were asked for, and the states of the speakers of the channel."""

    final: Final
    states: _States | None = None


class FinalWriter:
    """Commits finals and keeps those of drafts.  Methods raise RedisError or OSError if Redis does not answer."""

    def __init__(self, queue: WorkQueue, names: NameFinder | None, voices: Voices | None) -> None:
        """`names`, `voices`: None where they are not installed."""
        self._queue = queue
        self._names = names
        self._voices = voices
        self._has_told = False

    async def commit(self, one: ClaimedJob, final: Final, samples: Samples) -> Outcome:
        """
        Commit a final: made again if another segment of its call was committed meanwhile.

        `samples`: its audio. The states are read now: those from before the engine ran may lack the segment before,
        and digits that only both together show to be card data would be sent to Redis.
        """
        policy = one.job.redaction
        windows = await self._windows(one.job, samples)
        found = await self._found(final, policy)
        outcome = Outcome.MOVED
        while outcome is Outcome.MOVED:
            speaking = await self._labelled(one, final, windows)
            if speaking.states:
                await self._relabel(one, *speaking.states)
            if not policy.kinds:
                event = encode_event(_shown(speaking.final, one.job))
                outcome = await self._queue.settle(one, event, speakers=speaking.states)
                continue
            state = await self._queue.redaction.state(one)
            redacted = redacted_final(speaking.final, policy, state, found)
            for revision in redacted.revisions:
                await self._revise(one, revision)
            outcome = await self._settle(one, redacted, state, speaking.states)
        return outcome

    async def keep(self, one: ClaimedJob, final: Final, samples: Samples) -> int | None:
        """
        Keep the final of a draft, if it may be kept: see `WorkQueue.keep_draft`.

        Not if numbers in it may become card data, or if it must revise earlier finals: it is transcribed again.
        """
        policy = one.job.redaction
        windows = await self._windows(one.job, samples)
        speaking = await self._labelled(one, final, windows)
        if await self._changes_roles(one, speaking):
            return None
        shown, states = speaking.final, None
        if policy.kinds:
            state = await self._queue.redaction.state(one)
            redacted = redacted_final(shown, policy, state, await self._found(final, policy))
            words = [word.text for word in final.words]
            if redacted.revisions or not may_wait(one.job, final.span, words, state):
                return None
            shown, states = redacted.final, (state, redacted.state or state)
        event = encode_event(_shown(shown, one.job))
        ms = final.timing.engine_ms
        return await self._queue.keep_draft(one, event, ms, states, speaking.states)

    async def _windows(self, job: Job, samples: Samples) -> VoiceWindows | None:
        """The voices in the audio of a segment; None if they are not wanted, or cannot be known."""
        if not job.speakers or len(samples) < SHORTEST:
            return None
        windows = None
        if self._voices is not None:
            windows = await asyncio.to_thread(self._voices.windows, samples, HOP)
        if windows is None and not self._has_told:
            self._has_told = True
            logger.warning("speakers_not_installed", remedy=HOW_TO_INSTALL)
        return windows

    async def _labelled(
        self, one: ClaimedJob, final: Final, windows: VoiceWindows | None
    ) -> _Labelled:
        """The words with their speakers."""
        if not one.job.speakers:
            return _Labelled(final)
        state = await self._queue.speakers(one)
        detail = RECORDED if one.recorded else LIVE
        most, rule = one.job.speakers, one.job.speaker_roles
        found = await asyncio.to_thread(labelled, final, windows, state, most, detail, rule)
        return _Labelled(found.final, (state, found.state))

    async def _changes_roles(self, one: ClaimedJob, speaking: _Labelled) -> bool:
        if speaking.states is None:
            return False
        before, after = speaking.states
        rule = one.job.speaker_roles
        return bool(await asyncio.to_thread(with_new_roles, before, after, rule))

    async def _found(self, final: Final, policy: Policy) -> Sequence[Mask] | None:
        """Names and addresses, if the policy asks for them; None if they cannot be found."""
        if not policy.kinds & BY_ENGINE:
            return ()
        if self._names is None or final.language not in self._names.languages:
            return None
        words = [word.text for word in final.words]
        try:
            return await asyncio.to_thread(self._names.find, words, final.language)
        except Exception:  # noqa: BLE001  # words that were not checked are never shown
            return None

    async def _settle(
        self, one: ClaimedJob, redacted: RedactedFinal, state: bytes, speakers: _States | None
    ) -> Outcome:
        event = encode_event(_shown(redacted.final, one.job))
        states = state, redacted.state or state
        return await self._queue.settle(one, event, states=states, speakers=speakers)

    async def _relabel(self, one: ClaimedJob, before: bytes, after: bytes) -> None:
        """
        Revise earlier finals if this one has shown the roles of their speakers; of a recording also other speakers.

        Not each speaker of a live call: its listeners have seen the words with their speakers, and some cannot take
        them back. Roles become known once, near the start of a call.
        """
        rule = one.job.speaker_roles
        numbers = await asyncio.to_thread(with_new_roles, before, after, rule)
        if one.recorded and not numbers:
            numbers = await asyncio.to_thread(assigned_anew, before, after)
        for number in numbers:
            segment = SegmentId(one.job.segment.channel, number)
            await self._replace(one, segment, lambda final: relabelled(final, after, rule))

    async def _revise(self, one: ClaimedJob, revision: Revision) -> None:
        """Mask words of an earlier final, which this one has shown to be a part of a number."""
        policy = one.job.redaction
        await self._replace(
            one, revision.segment, lambda final: revised(final, revision.mask, policy)
        )

    async def _replace(
        self, one: ClaimedJob, segment: SegmentId, change: Callable[[Final], Final]
    ) -> None:
        """Replace an earlier final.  `change`: of the final in the form in which it was said."""
        old = await self._queue.redaction.final(one, segment)
        if not old:
            return
        match decode_entry(None, old):
            case Entry(Final() as final):
                form = one.job.form
                new = change(unformatted(final, form))
                new = formatted(new, form) if final.lexical else new
                if new != final:
                    await self._queue.redaction.revise(one, old, new)
            case _:  # written by a newer version
                pass


def _shown(final: Final, job: Job) -> Final:
    """A redacted final as it is shown. A fault in formatting leaves the words as they were said."""
    if not job.form.changes_words:
        return final
    try:
        return formatted(final, job.form)
    except Exception:  # noqa: BLE001  # the words count, their form is an extra
        return final
