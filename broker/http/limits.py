"""Limits of request bodies, as the settings say them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """A limit for each tenant and for all tenants together."""

    per_tenant: int
    total: int


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """
    Limits of recordings.

    `slowest`: bytes per second; `uploads`: in progress; `size`: bytes in memory; `work`: being transcribed.
    """

    slowest: float
    uploads: Share
    size: Share
    work: Share
