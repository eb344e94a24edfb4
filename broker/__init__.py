"""Redis access shared by gateway, worker and recorder: connection, key names, scripts, log reader, pub/sub."""
