"""Notices for the client: about parameters, keyterms and the audio.  The client receives them as warnings."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...bridge_events import BridgeWarning
from ...events import KeywordsApplied, LineWarning
from ..base import Request

_MOST_NOTICES = 32

_UNDERSTOOD = frozenset(
    {
        "encoding", "sample_rate", "channels", "multichannel", "roles", "call_id", "extra", "tag",
        "keyterm", "keywords", "language", "endpointing", "interim_results", "utterance_end_ms",
        "vad_events", "redact", "diarize", "speakers", "speaker_roles", "callback",
        "smart_format", "numerals", "punctuate", "filler_words", "profanity_filter", "replace", "search",
    }
)  # fmt: skip

_KNOWN = frozenset(
    {
        "model", "version", "no_delay", "dictation",
        "measurements", "paragraphs", "utterances", "utt_split", "mip_opt_out", "diarize_version",
        "detect_language", "detect_entities", "sentiment", "topics", "intents", "summarize",
        "alternatives", "callback_method", "extra_model", "eot_threshold", "eot_timeout_ms",
    }
)  # fmt: skip
"""Deepgram's parameters that have no effect here."""

_MOST_TERMS_NAMED = 32
"""Most terms named in warnings, of the accepted and of the rejected ones."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning about a parameter that does not have the effect that the client may expect."""

    parameter: str
    kind: str
    message: str


def query_notices(request: Request, warnings: Sequence[BridgeWarning]) -> tuple[Notice, ...]:
    """
    Notices about the parameters of a query, each parameter once, limited in number.

    `warnings`: about options whose values were ignored.
    """
    names = sorted(
        {name[:32] for name, value in request.query if name not in _UNDERSTOOD and value}
    )
    notices = [*map(_ignored, warnings), *map(_notice, names)]
    if request.first("language") == "multi":
        notices.append(Notice("language", "ignored", "multi is not supported: en is used"))
    if any(name == "keywords" for name, _ in request.query):
        notices.append(Notice("keywords", "legacy", "used as keyterm; boosts have no effect"))
    return tuple(notices[:_MOST_NOTICES])


def _notice(name: str) -> Notice:
    if name in _KNOWN:
        return Notice(name, "ignored", f"{name} has no effect here")
    return Notice(name, "unknown", f"{name} is unknown and was ignored")


def _ignored(warning: BridgeWarning) -> Notice:
    return Notice(warning.message.partition(" ")[0], "ignored", warning.message)


def keyterm_notices(applied: KeywordsApplied) -> list[Notice]:
    """Notices about rejected terms, each with its reason, and a summary of the terms in use."""
    if not applied.rejected:
        return []
    rejected = [
        Notice("keyterm", "rejected", reason) for reason in applied.rejected[:_MOST_TERMS_NAMED]
    ]
    in_use = ", ".join(applied.accepted[:_MOST_TERMS_NAMED]) or "none"
    summary = f"{len(applied.rejected)} not used; {len(applied.accepted)} in use: {in_use}"
    return [*rejected, Notice("keyterm", "in_use", summary)]


def line_notice(warning: LineWarning) -> Notice:
    """The notice about a fault in a channel's audio, and what to check."""
    return Notice(
        "audio",
        warning.fault.value,
        f"channel {warning.channel}, {warning.measured:g} {warning.unit}: {warning.check}",
    )
