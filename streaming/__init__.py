"""The gateway: receives calls from bridges, segments their audio, and sends events to bridges and listeners."""
