"""
Storage and export of transcripts.

Modules
    transcript.py   a stored call as a value
    pieces.py       several streams of one call joined into one transcript
    outbox.py       decodes the entries of an outbox
    recorder.py     reads the outboxes of all partitions and fills the store
    ingest.py       stores a batch of entries and quarantines those that cannot be stored
    store.py        calls, segments and words in a database
    database/       the tables, their migrations and the full-text index
    export.py       a transcript as txt, json, srt, vtt, csv or ctm
    subtitles.py    a transcript as subtitle cues
    render.py       a transcript for a terminal
    wer.py          word error rate against a reference
    metrics.py      the metrics of a recorder
    settings.py     the settings of a recorder
"""
