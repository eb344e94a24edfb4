"""
What remains after the words were spoken.

Where to look
    transcript.py   a stored call as a value
    entries.py      what comes out of an outbox
    recorder.py     follows the queue's outboxes
    intake.py       stores what a recorder was given, and sets aside what cannot be stored
    store.py        calls, segments and words in a database
    opening.py      a database made ready, and brought up to date
    schema.py       its tables
    writing.py      events into rows
    reading.py      rows into values
    export.py       a transcript as txt, json, srt, vtt, csv or ctm
    cues.py         a transcript as captions
    show.py         a transcript for a terminal
    score.py        word error rate against a reference
    settings.py     what can be set of a recorder
"""
