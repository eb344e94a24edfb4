"""Granite's acoustic side: features, encoder, CTC."""
