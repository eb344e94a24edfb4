"""Rows read from the database, as values."""
