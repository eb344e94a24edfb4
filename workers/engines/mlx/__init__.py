"""Granite Speech on Apple Silicon, by mlx-audio: `load(settings)` returns the engine."""
