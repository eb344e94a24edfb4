"""Genesys Cloud AudioHook: the dialect and its messages."""
