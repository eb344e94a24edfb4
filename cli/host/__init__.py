"""Facts about this machine, and their evaluation by `trunkline doctor`."""
