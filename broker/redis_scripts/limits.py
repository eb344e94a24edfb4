"""Redis scripts for limits that count over all gateways.  See scripts.py for the rules."""

from .lua import Script, load, script

__all__ = ["CLAIM_USE", "TAKE_TOKENS", "Script"]

CLAIM_USE = script("claim_use", ("hash",), load("claim_use"))

TAKE_TOKENS = script("take_tokens", ("hash",), load("take_tokens"))
