"""Overload control: what this gateway can still take, and what it leaves out under load. Pure."""
