"""Several gateway processes behind the same ports: their places, their ports, and requests between them."""
