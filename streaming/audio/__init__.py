"""Samples of one channel: order, resampling, voice activity, endpointing, DTMF. No I/O."""
