"""Moonshine base on CPU."""
