"""
Redacts finals and partials before anything else sees their words. Pure.

The state of the call stands in Redis beside its event log, without digits (see `protocol.redaction.call_state`). A
final is committed only together with the state that it led to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from protocol.events import Final, Span, Withheld
from protocol.redaction.call_state import CallState
from protocol.redaction.masking import apply, follows_earlier, hide
from protocol.redaction.policy import BY_ENGINE, Policy
from protocol.redaction.redactor import Mask, RecognisedText, Revision, redact
from protocol.scheduling.jobs import Job


@dataclass(frozen=True, slots=True)
class RedactedFinal:
    """A final that may be logged, masks for earlier finals, and the state of the call after it."""

    final: Final
    revisions: tuple[Revision, ...] = ()
    state: bytes = b""
    """Empty: the state stays as it is."""


def redacted_final(
    final: Final, policy: Policy, state: bytes, found: Sequence[Mask] | None = ()
) -> RedactedFinal:
    """
    Redact a final. `state`: the state of its call in Redis. `found`: names and addresses; None: they are not known.

    If the redaction fails, or the policy asks for names and they are not known, all words are withheld, with the
    flag `withheld:redaction_failed`.
    """
    if not policy.kinds:
        return RedactedFinal(final)
    if found is None:
        return RedactedFinal(withheld(final))
    texts = tuple(word.text for word in final.words)
    heard = RecognisedText(final.segment, final.span, texts, final.language)
    try:
        result = redact(CallState.decode(state), heard, policy, found)
        words, redactions = apply(final.words, result.masks, policy, final.span)
    except Exception:  # noqa: BLE001  # whatever the fault is, words that were not checked are never shown
        return RedactedFinal(withheld(final))
    shown = replace(final, words=words, redactions=redactions)
    return RedactedFinal(shown, result.revisions, result.state.encode())


def may_wait(job: Job, span: Span, words: list[str], state: bytes) -> bool:
    """
    Whether the words of a draft may wait in Redis until it is known that the segment ends there.

    Not if some of them are masked, or if a number at their end may grow into data that is redacted.
    """
    try:
        heard = RecognisedText(job.segment, span, tuple(words), job.translate_to or job.language)
        return hide(CallState.decode(state), heard, job.redaction) == words
    except Exception:  # noqa: BLE001  # as above
        return False


def needs_state(job: Job, words: list[str]) -> bool:
    """Whether what `hidden` leaves of the words of a partial may depend on the state of the call."""
    policy = job.redaction
    if not policy.kinds or policy.kinds & BY_ENGINE:
        return False
    try:
        return follows_earlier(words, job.translate_to or job.language, policy)
    except Exception:  # noqa: BLE001  # as above
        return True


def withheld(final: Final) -> Final:
    """The final without any of its words."""
    flags = (*final.flags, Withheld.REDACTION_FAILED.flag)
    return replace(final, words=(), keywords_found=(), redactions=(), flags=flags)


def hidden(job: Job, span: Span, words: list[str], state: bytes) -> list[str]:
    """
    The words of a partial that may be kept and shown (see `protocol.redaction.masking.hide`).

    None of them if the redaction fails, or if the policy asks for names: only finals are searched for those.
    """
    if job.redaction.kinds & BY_ENGINE:
        return []
    try:
        heard = RecognisedText(job.segment, span, tuple(words), job.translate_to or job.language)
        return hide(CallState.decode(state), heard, job.redaction)
    except Exception:  # noqa: BLE001  # as above
        return []
