"""The commands of `trunkline`."""
