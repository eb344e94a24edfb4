"""Comparison with other live transcription servers that can be installed from a package index."""
