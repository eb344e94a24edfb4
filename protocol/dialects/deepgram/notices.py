"""Notices about keyterms and about the audio, which the client receives as warnings."""

from ...events import KeywordsApplied, LineWarning
from .query import Notice

_MOST_TERMS_NAMED = 32
"""Most terms named in warnings, of the accepted and of the rejected ones."""


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
