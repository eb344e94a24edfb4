"""Deepgram's API: live streams and recordings."""
