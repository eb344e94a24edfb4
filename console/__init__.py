"""
What a person at a terminal uses.

Where to look
    arguments.py       the grammar of the command line
    configuration.py   settings from file, environment and flags
    connection.py      clients of Redis
    process.py         how a part runs as a process: its loop, its log, its beginning and its end
    log_lines.py       what may stand in a log line
    health.py          whether a process is alive, has started and is ready
    metrics.py         what waits in the queue, as figures
    status.py          the port on which a process tells how it stands
    stack.py           an embedded Valkey and the parts as child processes
    recording.py       audio files
    playing.py         a bridge made of an audio file
    captions.py        what is being said in a call, for a terminal
    live.py            a call played with its captions
    machine.py         what this machine has
    doctor.py          what is missing on it, and how to mend it
    demo/              a synthetic call to try everything with
"""
