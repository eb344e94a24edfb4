"""Reading the event logs of calls: positions, pub/sub notifications, and a reader."""
