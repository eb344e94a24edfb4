"""The Moonshine engine: Moonshine base-en on the CPU."""
