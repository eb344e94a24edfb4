"""Codecs whose decoder has state (G.722 and Opus), and WAV files. G.711 and linear PCM are in `protocol.audio`."""
