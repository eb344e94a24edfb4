"""Granite's language model: prompts, tokens, decoding."""
