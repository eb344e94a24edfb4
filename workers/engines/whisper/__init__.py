"""The Whisper engine: other languages than English on the CPU, by faster-whisper."""
