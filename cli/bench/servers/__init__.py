"""The servers that the benchmark measures, as processes."""
