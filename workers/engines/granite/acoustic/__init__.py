"""Granite's acoustic model: features, encoder, CTC."""
