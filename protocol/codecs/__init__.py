"""Audio that needs a decoder with a memory: G.722 and Opus.  G.711 and linear audio are in `protocol.audio`."""
