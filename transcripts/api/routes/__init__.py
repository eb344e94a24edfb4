"""The routes of the API: each parses a request, asks the store or Redis, and writes the response."""
