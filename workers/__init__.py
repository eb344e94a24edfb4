"""Workers: claim jobs from Redis, transcribe them with an engine, and commit each result once."""
