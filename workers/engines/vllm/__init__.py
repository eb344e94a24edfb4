"""Granite Speech on a server of vLLM, by its chat interface: `load(settings)` returns the engine."""
