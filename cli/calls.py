"""Commands for calls and recordings: `call`, `show` and `transcribe`."""

import argparse
import contextlib
import re
import secrets
import sys
import time
from pathlib import Path

from rich.console import Console

from protocol import keywords
from protocol.call import adapted_call_id
from protocol.clock import to_seconds
from protocol.plain_text import plain
from protocol.tenants import filed, parted
from runtime.process import on_interrupt, run_loop
from transcripts.export import export
from transcripts.render import render
from transcripts.settings import RecorderSettings
from transcripts.store import Store, StoreError
from transcripts.transcript import Transcript

from .captions import Captions
from .common import (
    engine_chosen,
    engine_loaded,
    prepare_weights,
    progress_bar,
    settings_of,
    store_url,
)
from .live_view import play_with_captions
from .recording import RecordingError, read_recording
from .simulated_bridge import CallPlan, Playback


def call(options: argparse.Namespace) -> int:
    """Act as a bridge: play an audio file into a gateway and show the captions."""
    recording = read_recording(Path(options.file))
    call_id = options.call_id or f"{_plain(Path(options.file).stem)}-{secrets.token_hex(3)}"
    roles = {1: ("mixed",), 2: ("agent", "customer")}.get(len(recording.channels))
    if roles is None:
        raise RecordingError(
            f"{options.file} has {len(recording.channels)} channels: only one or two can be played"
        )
    terms = tuple(keywords.split(options.keywords))
    plan = CallPlan(call_id, roles, options.language, terms, options.translate_to)
    playback = Playback(options.url, options.dialect, recording, plan, options.pace, options.key)

    async def run() -> Captions:
        return await play_with_captions(playback, on_interrupt())

    return 0 if run_loop(run()).ended else 1


def show(options: argparse.Namespace) -> int:
    """Print a stored call, or list the stored calls."""
    if options.call:
        transcript = stored(options, options.call)
        if options.format == "txt" and sys.stdout.isatty():
            Console(highlight=False).print(render(transcript))
        else:
            print(export(transcript, options.format), end="")
        return 0
    with contextlib.closing(
        Store.open(store_url(settings_of(options, "recorder", RecorderSettings)))
    ) as store:
        for one in store.calls(options.limit):
            began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.started_at))
            print(
                f"{began}  {to_seconds(one.duration):7.1f} s  {plain(one.dialect):8}  {plain(one.call_id)}"
            )
    return 0


def transcribe(options: argparse.Namespace) -> int:
    """Transcribe a recording in this process, without gateway and queue."""
    from .offline import transcribe_recording

    recording = read_recording(Path(options.file))
    prepare_weights(options)
    engine = engine_loaded(options, engine_chosen(options).engine)
    with progress_bar("transcribing") as progress:
        transcript = transcribe_recording(
            recording.channels,
            engine,
            language=options.language,
            keywords=tuple(keywords.split(options.keywords)),
            progress=progress,
        )
    text = export(transcript, options.format)
    if options.output:
        Path(options.output).write_text(text)
    else:
        print(text, end="")
    return 0


def stored(options: argparse.Namespace, call_id: str) -> Transcript:
    """Return a stored call with all its streams.  Raises StoreError if it is not stored."""
    with contextlib.closing(
        Store.open(store_url(settings_of(options, "recorder", RecorderSettings)))
    ) as store:
        found = (store.whole(one) for one in _filed(call_id))
        transcript = next((one for one in found if one is not None), None)
    if transcript is None:
        raise StoreError(f"no call {call_id} is stored; `trunkline show` lists the calls")
    return transcript


def _plain(name: str) -> str:
    """Turn a file name into the prefix of a call id."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:64] or "call"


def _filed(named: str) -> list[str]:
    """Return the ids under which the call `named` may be stored: unchanged, or adapted."""
    owner, bare = parted(named)
    return list(
        dict.fromkeys(
            [named, adapted_call_id(named), filed(owner, adapted_call_id(bare)) if bare else named]
        )
    )
