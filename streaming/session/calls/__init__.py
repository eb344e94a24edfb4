"""Calls in progress: one live call, its channels, and how both are built."""
