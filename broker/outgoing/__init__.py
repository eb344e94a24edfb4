"""Requests to servers of others (callbacks, webhooks): queued in Redis, signed, bounded, and tried again."""
