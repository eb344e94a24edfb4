"""Finds names and addresses in finals, by an optional engine, so that redaction can mask them."""
