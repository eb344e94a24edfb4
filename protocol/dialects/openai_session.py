"""What an OpenAI client wishes of a session: today's form of `session.update`, and the one before it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import call
from ..audio import AudioFormat, Encoding
from ..bridge import DialectError
from ..keywords import CleanKeywords, clean, split
from . import fields

PCM = AudioFormat(Encoding.L16, 24_000)
"""`audio/pcm`, whose rate clients may leave out."""

_FORMATS = {
    "audio/pcm": PCM,
    "audio/pcmu": AudioFormat(Encoding.MULAW),
    "audio/pcma": AudioFormat(Encoding.ALAW),
    "pcm16": PCM,
    "g711_ulaw": AudioFormat(Encoding.MULAW),
    "g711_alaw": AudioFormat(Encoding.ALAW),
}

_LONGEST_HINT = 4
"""Words: a piece of a prompt that is longer is a sentence, not a name."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One session update, understood; None is what it says nothing of."""

    format: AudioFormat | None = None
    language: str | None = None
    keywords: CleanKeywords | None = None
    manual: bool | None = None
    """Whether the client itself says where an utterance ends, by commit."""


def wish_of(session: Mapping[str, Any]) -> Wish:
    """DialectError says which field is wrong."""
    if "input_audio_format" in session or "input_audio_transcription" in session:
        source = _older(session)
    else:
        source = _optional(_optional(session, "audio"), "input")
    transcription = _optional(source, "transcription")
    return Wish(
        format=_format(source["format"]) if source.get("format") else None,
        language=_language(transcription),
        keywords=_keywords(transcription),
        manual=source["turn_detection"] is None if "turn_detection" in source else None,
    )


def _older(session: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of `transcription_session.update`, under today's names."""
    names = {
        "input_audio_format": "format",
        "input_audio_transcription": "transcription",
        "turn_detection": "turn_detection",
    }
    return {new: session[old] for old, new in names.items() if old in session}


def _optional(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return fields.member(body, name) if body.get(name) is not None else {}


def _format(value: object) -> AudioFormat:
    name = fields.text(value, "type") if isinstance(value, dict) else value
    if not isinstance(name, str) or name not in _FORMATS:
        raise DialectError("the audio format must be audio/pcmu, audio/pcma or audio/pcm")
    is_pcm = _FORMATS[name].encoding is Encoding.L16
    if not (is_pcm and isinstance(value, dict) and value.get("rate") is not None):
        return _FORMATS[name]
    try:
        return replace(_FORMATS[name], rate=fields.whole(value, "rate"))
    except ValueError as exc:
        raise DialectError(str(exc)) from exc


def _language(transcription: Mapping[str, Any]) -> str | None:
    if not transcription.get("language"):
        return None
    try:
        return call.language(fields.text(transcription, "language"))
    except ValueError as exc:
        raise DialectError(str(exc)) from exc


def _keywords(transcription: Mapping[str, Any]) -> CleanKeywords | None:
    """`keywords`, or a prompt that is a list of names; sentences are instructions, and not followed."""
    if transcription.get("keywords") is not None:
        return clean(fields.strings(transcription, "keywords"))
    if not transcription.get("prompt"):
        return None
    hints = split(fields.text(transcription, "prompt"))
    return clean(hints) if all(len(hint.split()) <= _LONGEST_HINT for hint in hints) else None
