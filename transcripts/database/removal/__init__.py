"""Removal of calls: deletion, expiry, and erasure of what is left in the files."""
