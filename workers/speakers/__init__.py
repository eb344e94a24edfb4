"""Tells the speakers of a mixed channel apart: voice embeddings of windows, clustered over the call."""
