"""Connections to Redis: asynchronous, blocking, and pipelines that several calls share."""
