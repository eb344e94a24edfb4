"""Calls in progress, as the API sees them: their state for supervisors, and the rules that add cards to them."""
