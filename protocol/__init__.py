"""
The data types of Trunkline and their codecs. This package does no input or output.

Where to look
    clock.py      the call clock: samples and milliseconds
    audio.py      audio formats of bridges, and G.711
    bridge_events.py  events from a bridge: `BridgeEvent`
    calls/        language, keywords and other options of a call: `CallConfig`; commands to it
    events/       events of a transcript: `TranscriptEvent`, and their encoding
    scheduling/   jobs for workers, and the capacity of workers
    outgoing/     destinations and signatures of webhooks
    auth/         credentials, signatures, routes, access of web pages
    codecs/       G.722, Opus and WAV
    dialects/     the message formats of bridges
    numbers/      spoken numbers
    redaction/    card numbers and other sensitive data, masked in words
    formatting/   words as people write them
"""
