"""Modules shared by several dialects: call parameters, JSON fields, timestamps, channel de-interleaving."""
