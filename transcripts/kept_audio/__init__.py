"""Kept audio: makes one file of the parts of a call, and reads it by range."""
