"""From decoded tokens to final segments."""
