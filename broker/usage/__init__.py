"""Limits that count over all gateways: how much of something is in use, and how often."""
