"""Authentication, authorisation and limits of connections, requests and calls."""
