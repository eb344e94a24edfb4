"""The state of one call: decisions only, no I/O."""
