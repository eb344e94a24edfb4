"""The HTTP server of a process, with bounds and access control: shared by the gateway and the API."""
