"""
The data types of Trunkline and their codecs. This package does no input or output.

Where to look
    clock.py      the call clock: samples and milliseconds
    audio.py      audio formats of bridges, and G.711
    call.py       roles, language and keywords of a call: `CallConfig`
    keywords.py   checks of keyword lists
    bridge_events.py  events from a bridge: `BridgeEvent`
    events.py     events of a transcript: `TranscriptEvent`
    event_codec.py  encodes and decodes `TranscriptEvent`
    jobs.py       jobs for workers
    auth/         credentials, signatures, routes, access of web pages
    codecs/       G.722 and Opus
    dialects/     the message formats of bridges
"""
