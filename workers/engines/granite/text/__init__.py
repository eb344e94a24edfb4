"""Granite's language model: prompts, tokenizer, decoding."""
