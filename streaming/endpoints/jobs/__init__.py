"""Recordings that are transcribed in the background, and what is told at their end."""
