"""Genesys Cloud AudioHook."""
