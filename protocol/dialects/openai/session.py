"""Parses the session settings of an OpenAI client: the present form of `session.update`, and the older one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...audio import AudioFormat, Encoding
from ...bridge_events import BridgeWarning, DialectError
from ...calls.keywords import CleanKeywords, clean, split
from ..common import json_fields, options
from ..common.options import Options

PCM = AudioFormat(Encoding.L16, 24_000)
"""`audio/pcm`, whose rate clients may omit."""

_FORMATS = {
    "audio/pcm": PCM,
    "audio/pcmu": AudioFormat(Encoding.MULAW),
    "audio/pcma": AudioFormat(Encoding.ALAW),
    "pcm16": PCM,
    "g711_ulaw": AudioFormat(Encoding.MULAW),
    "g711_alaw": AudioFormat(Encoding.ALAW),
}

_LONGEST_HINT = 4
"""Words.  A longer part of a prompt is a sentence, not a name."""


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """A parsed session update.  None: the update does not set this."""

    format: AudioFormat | None = None
    language: str | None = None
    keywords: CleanKeywords | None = None
    manual: bool | None = None
    """Whether the client ends utterances itself, by commit."""

    warnings: tuple[BridgeWarning, ...] = ()
    """Warnings about ignored options."""


def session_update_of(session: Mapping[str, Any]) -> SessionUpdate:
    """Parse a session update.  Raises DialectError for a wrong audio format; other invalid options are ignored."""
    asked = Options(session)
    if "input_audio_format" in session or "input_audio_transcription" in session:
        source = _older(session)
    else:
        audio = Options(asked.read("audio", options.object_of, {}))
        source = audio.read("input", options.object_of, {})
        asked.warnings += audio.warnings
    declared = Options(source)
    transcription = Options(declared.read("transcription", options.object_of, {}))
    language = transcription.read("language", options.language, None)
    keywords = _keywords(transcription)
    return SessionUpdate(
        format=_format(source["format"]) if source.get("format") else None,
        language=language,
        keywords=keywords,
        manual=source["turn_detection"] is None if "turn_detection" in source else None,
        warnings=(*asked.warnings, *declared.warnings, *transcription.warnings),
    )


def _older(session: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of `transcription_session.update`, under their present names."""
    names = {
        "input_audio_format": "format",
        "input_audio_transcription": "transcription",
        "turn_detection": "turn_detection",
    }
    return {new: session[old] for old, new in names.items() if old in session}


def _format(value: object) -> AudioFormat:
    name = json_fields.text(value, "type") if isinstance(value, dict) else value
    if not isinstance(name, str) or name not in _FORMATS:
        raise DialectError("the audio format must be audio/pcmu, audio/pcma or audio/pcm")
    is_pcm = _FORMATS[name].encoding is Encoding.L16
    if not (is_pcm and isinstance(value, dict) and value.get("rate") is not None):
        return _FORMATS[name]
    try:
        return replace(_FORMATS[name], rate=json_fields.whole(value, "rate"))
    except ValueError as exc:
        raise DialectError(str(exc)) from exc


def _keywords(transcription: Options) -> CleanKeywords | None:
    """The option `keywords`, or a prompt that is a list of names; sentences are instructions and are ignored."""
    if terms := transcription.terms("keywords"):
        return clean(terms)
    if transcription.says("keywords"):
        return None if transcription.warnings else clean(())
    hints = split(transcription.read("prompt", _text, ""))
    if not hints or any(len(hint.split()) > _LONGEST_HINT for hint in hints):
        return None
    return clean(hints)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004  # one kind of fault
    return value
