"""
The vocabulary of Trunkline: values and codecs, no input or output.

Where to look
    clock.py      samples and milliseconds: how time in a call is counted
    audio.py      encodings a bridge may send, and G.711
    call.py       who speaks, in which language, biased towards what: `CallConfig`
    keywords.py   what may stand in a keyword list
    bridge.py     what a bridge tells us: `BridgeEvent`
    events.py     what we tell the world: `TranscriptEvent`
    wire.py       `TranscriptEvent` as JSON and back
    jobs.py       what travels to a worker
    keys.py       names of the Redis keys
    dialects/     one pure file per bridge
"""
