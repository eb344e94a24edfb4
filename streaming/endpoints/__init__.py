"""The gateway's network endpoints other than the bridge WebSocket: HTTP, server-sent events, AudioSocket."""
