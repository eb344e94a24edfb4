"""The key file, its changes, and the secret that all processes at one Redis share."""
