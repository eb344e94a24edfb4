"""Commands for calls and recordings: `call`, `show` and `transcribe`."""

import argparse
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from protocol.calls import keywords
from protocol.operator_error import OperatorError
from runtime.process import on_interrupt, run_loop
from transcripts.formats.export import export

from ..captions import Captions
from ..common import (
    engine_chosen,
    engine_loaded,
    prepare_weights,
    progress_bar,
)
from ..live_view import play_with_captions
from ..recording import RecordingError, read_recording
from ..simulated_bridge import CallPlan, Playback

if TYPE_CHECKING:
    from workers.speakers.voice_encoder import VoiceEncoder


def call(options: argparse.Namespace) -> int:
    """Act as a bridge: play an audio file into a gateway and show the captions."""
    recording = read_recording(Path(options.file))
    call_id = options.call_id or f"{_plain(Path(options.file).stem)}-{secrets.token_hex(3)}"
    roles = {1: ("mixed",), 2: ("agent", "customer")}.get(len(recording.channels))
    if roles is None:
        raise RecordingError(
            f"{options.file} has {len(recording.channels)} channels: only one or two can be played"
        )
    terms = terms_of(options.keywords)
    plan = CallPlan(call_id, roles, options.language, terms, options.translate_to)
    playback = Playback(options.url, options.dialect, recording, plan, options.pace, options.key)

    async def run() -> Captions:
        return await play_with_captions(playback, on_interrupt())

    return 0 if run_loop(run()).ended else 1


def transcribe(options: argparse.Namespace) -> int:
    """Transcribe a recording in this process, without gateway and queue."""
    from ..offline import transcribe_recording

    recording = read_recording(Path(options.file))
    prepare_weights(options)
    voices = _voices() if options.speakers else None
    engine = engine_loaded(options, engine_chosen(options).engine)
    with progress_bar("transcribing") as progress:
        transcript = transcribe_recording(
            recording.channels,
            engine,
            language=options.language,
            keywords=terms_of(options.keywords),
            progress=progress,
            speakers=options.speakers,
            role_rule=options.speaker_roles,
            voices=voices,
        )
    text = export(transcript, options.format)
    if options.output:
        Path(options.output).write_text(text)
    else:
        print(text, end="")
    return 0


def _voices() -> "VoiceEncoder":
    """The voice encoder.  Raises OperatorError if it is not installed."""
    from workers.speakers.weights import HOW_TO_INSTALL, encoder_of

    encoder = encoder_of()
    if encoder is None:
        raise OperatorError(f"--speakers needs the encoder of voices: {HOW_TO_INSTALL}")
    return encoder


def terms_of(said: str) -> tuple[str, ...]:
    """The terms of a list in one string, or of the file behind an `@`.  Raises OperatorError."""
    if said.startswith("@"):
        try:
            said = Path(said[1:]).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as exc:
            raise OperatorError(f"--keywords {said}: {exc}") from exc
    return tuple(keywords.split(said))


def _plain(name: str) -> str:
    """Turn a file name into the prefix of a call id."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:64] or "call"
