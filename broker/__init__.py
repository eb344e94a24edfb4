"""What talks to Redis for more than one part: connection, key names, scripts, log reader, pub/sub."""
