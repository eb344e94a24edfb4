"""The load generator, a process of its own: bridges that play many calls."""
