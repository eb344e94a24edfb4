"""Webhooks: which events of calls are sent to which servers of a tenant, when, and with what outcome."""
