"""
Storage and export of transcripts.

Where to look
    transcript.py   a stored call as a value
    pieces.py       several streams of one call joined into one transcript
    outbox.py       decodes the entries of an outbox
    recorder.py     reads the outboxes of all partitions and fills the store
    ingest.py       stores a batch of entries and quarantines those that cannot be stored
    store.py        calls, segments and words in a database
    database/       the tables, their migrations and the full-text index
    formats/        a transcript as text, JSON, subtitles and other formats
    search/         which calls to list, and the terms of the full-text index
    api/            the HTTP API
    live/           the calls in progress, as supervisors see them
    web/            the web pages
    retention.py    how long calls are kept
    wer.py          word error rate against a reference
    metrics.py      the metrics of a recorder
    settings.py     the settings of a recorder
"""
