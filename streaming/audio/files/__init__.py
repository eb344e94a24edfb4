"""Compressed audio files, decoded in a confined child process."""
