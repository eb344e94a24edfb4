"""The Deepgram API: live streams and recordings."""
