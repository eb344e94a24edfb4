"""The formats of an exported transcript. Pure."""
