"""Builds the jobs of the segments of one call."""

from collections.abc import Callable

from protocol.calls.call import NO_ROLES, CallConfig, Role
from protocol.calls.spelling import SpellingRequests
from protocol.events import SegmentId
from protocol.scheduling.jobs import Job, encode_job

from ..identity import CallIdentity


class JobBuilder:
    """Encodes jobs with what is the same for all segments of a call."""

    def __init__(
        self,
        identity: CallIdentity,
        rate: int,
        now: Callable[[], float],
        stored_list: Callable[[tuple[str, ...]], str],
        spelling: SpellingRequests,
    ) -> None:
        """
        `rate`: sample rate of the audio of segments, in Hz; `now` returns Unix seconds.

        `stored_list` returns the digest of a list of keywords that Redis holds; empty: jobs contain the keywords.

        `spelling`: of the call.
        """
        self._identity = identity
        self._rate = rate
        self._now = now
        self._stored_list = stored_list
        self._spelling = spelling

    def build(
        self,
        config: CallConfig,
        segment: SegmentId,
        start: int,
        end: int | None = None,
        *,
        flags: tuple[str, ...] = (),
        padding: int = 0,
        queued_at: float | None = None,
        rate: int | None = None,
    ) -> bytes:
        """
        Return the encoded job of a segment: of a partial if `end` is None, else of its draft or its final.

        `start`, `end`: samples of the call clock.  `queued_at`: Unix seconds; None: now.  `rate`: of the audio, if
        another gateway has stored it at another rate.
        """
        terms = config.keywords.terms
        keyword_list = self._stored_list(terms)
        return encode_job(
            Job(
                call_id=self._identity.call_id,
                log=self._identity.log,
                segment=segment,
                start=start,
                end=end,
                queued_at=self._now() if queued_at is None else queued_at,
                language=config.language,
                translate_to=config.translate_to,
                keywords=() if keyword_list else terms,
                keyword_list=keyword_list,
                keywords_revision=config.keywords.revision,
                redaction=config.redaction,
                form=config.form,
                flags=flags,
                padding=padding,
                speakers=self._speakers(config, segment.channel),
                speaker_roles=config.speaker_roles or NO_ROLES,
                rate=rate or self._rate,
                spelling=self._spelling.covers(start),
            )
        )

    def _speakers(self, config: CallConfig, channel: int) -> int:
        """Most speakers that are told apart on a channel."""
        return (config.speakers or 0) if self._identity.roles[channel] is Role.MIXED else 0
