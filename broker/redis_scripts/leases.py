"""
Redis scripts for consumer groups and the leases of their entries; each one works on a single stream. See scripts.py
for the conventions.

A job belongs to its consumer as long as the lease is extended in time. After that another worker may take it over.
"""

from .lua import load, script

HANDED_BACK_MS = 24 * 3_600_000
"""Idle time given to a job that was handed back: longer than any lease, so it can be taken over at once."""

EXTEND = script(
    "extend",
    ("stream",),
    load("extend"),
)

TAKE_OVER = script(
    "take_over",
    ("stream",),
    load("take_over"),
)

REGISTER_STREAMS = script(
    "add_lanes",
    ("set",),
    load("register_streams"),
)

PASS_ON = script(
    "pass_on",
    ("stream", "stream"),
    load("pass_on"),
)

HAND_BACK = script(
    "hand_back",
    ("stream",),
    load("hand_back"),
)

JOIN = script(
    "join",
    ("stream",),
    load("join"),
)
