"""What several dialects share: call parameters, JSON fields, timestamps, channel de-interleaving."""
