"""Requests and responses: their bodies, query parameters and errors."""
