"""Requests to other systems: allowed destinations, signatures and retry times. Pure."""
