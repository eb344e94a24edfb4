"""The OpenAI realtime transcription API."""
