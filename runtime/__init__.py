"""Running a part as a process: supervision, health, metrics, logs."""
