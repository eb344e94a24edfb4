"""Credentials and request signatures. Pure."""
