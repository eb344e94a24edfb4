"""Redaction of a call's words: which of them are card data or other data, and what is shown in their place."""
