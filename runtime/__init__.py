"""How a part runs as a process: supervision, health, metrics, logs."""
