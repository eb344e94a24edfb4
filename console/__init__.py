"""
What a person at a terminal uses.

Where to look
    configuration.py   settings from file, environment and flags
    connection.py      clients of Redis
    stack.py           an embedded Valkey and the parts as child processes
    recording.py       audio files
    playing.py         a bridge made of an audio file
    captions.py        live captions in the terminal
    doctor.py          what is missing on this machine
    demo/              a synthetic call to try everything with
"""
