"""Redis scripts. The Lua source is in `lua/`."""
