"""Twilio Media Streams and the vendors that speak a variant of it."""
