"""Configuration of a call, commands to it, and its metadata. Pure."""
