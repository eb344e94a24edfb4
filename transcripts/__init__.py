"""
What remains after the words were spoken.

Where to look
    transcript.py   a stored call as a value
    store.py        calls, segments and words in a database
    recorder.py     follows the queue's outbox and fills the store
    export.py       a transcript as txt, json, srt, vtt, csv or ctm
    score.py        word error rate against a reference
    settings.py     what can be set of a recorder
"""
