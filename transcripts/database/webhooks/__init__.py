"""Endpoints of webhooks and their deliveries in the database."""
