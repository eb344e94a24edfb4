"""The segments of one call, from open to settled: partials, drafts, finals and their latency."""
