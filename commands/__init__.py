"""
The commands of `trunkline`: where the parts meet that do not know each other.

    parts.py    gateway, worker, recorder: one process each
    ring.py     up, demo: all of them on this machine
    calls.py    call, show, transcribe: calls and recordings
    site.py     keys, doctor: what a site's owner does now and then
    common.py   settings, folders, progress
"""
