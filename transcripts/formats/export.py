"""Export a transcript as txt, json, srt, vtt, csv, ctm, stm or md.  Pure: transcript in, text out."""

import csv
import io
import json
import re
from collections.abc import Callable
from html import escape
from typing import Any

from protocol.clock import cue_time, to_ms, to_seconds
from protocol.events import AudioGap, KeywordsApplied, LineWarning, Redaction, Word
from protocol.events.event_codec import totals_in_ms
from protocol.plain_text import json_plain, plain, visible, without_arrow

from ..transcript import Ending, Piece, StoredSegment, Transcript
from .markdown import write_markdown
from .speaker_turns import by_speaker, party
from .stm import write_stm
from .subtitles import cues, timed_words

_LINE = 42
"""Most characters in a subtitle line, as broadcasters use."""

_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
"""Cells that a spreadsheet takes for a formula (https://owasp.org/www-community/attacks/CSV_Injection)."""


def export(transcript: Transcript, form: str) -> str:
    """Return `transcript` in the format `form`, one of `FORMS`.  Raises KeyError for any other."""
    return _WRITERS[form](transcript)


def _txt(transcript: Transcript) -> str:
    """One line for each segment or turn (time, role or speaker, words or why there are none) and interruption."""
    lines: list[str] = []
    transcript = by_speaker(transcript)
    for place, one in enumerate(transcript.segments):
        lines += _interruptions(transcript, place)
        if one.words or one.reason:
            role = plain(party(transcript, one))
            lines.append(f"[{_clock(one.span.start)}] {role}: {_said(one)}\n")
    return "".join([*lines, *_interruptions(transcript, len(transcript.segments))])


def _interruptions(transcript: Transcript, place: int) -> list[str]:
    pieces = transcript.interrupted_before(place)
    return [f"[{_clock(piece.start)}] ({interruption(piece)})\n" for piece in pieces]


def interruption(piece: Piece) -> str:
    """Return the text that marks the beginning of a later stream of a call."""
    return f"the stream was stopped; it continues as {plain(piece.call_id)}"


def _said(one: StoredSegment) -> str:
    if one.ending is Ending.FINAL:
        return plain(one.text)
    return f"({one.ending}: {plain(one.reason)})"


def _json(transcript: Transcript) -> str:
    """JSON with the field names of the native protocol (docs/native-protocol.md)."""
    call = transcript.call
    body = {
        "call_id": call.call_id,
        "roles": call.roles,
        "language": call.language,
        "dialect": call.dialect,
        "started_at": call.started_at,
        "metadata": dict(call.metadata),
        "ended_reason": call.ended_reason,
        "duration_ms": to_ms(call.duration),
        "channels": [totals_in_ms(totals) for totals in call.channels],
        "keywords": [_json_keywords(one) for one in transcript.keyword_lists],
        "gaps": [_json_gap(transcript, gap) for gap in transcript.gaps],
        "line_warnings": [_json_warning(transcript, one) for one in transcript.line_warnings],
        "segments": [_json_segment(transcript, one) for one in transcript.segments],
    }
    if transcript.pieces:
        body["pieces"] = [_json_piece(one) for one in transcript.pieces]
    return json_plain(json.dumps(body, ensure_ascii=False, indent=2)) + "\n"


def _json_piece(one: Piece) -> dict[str, Any]:
    return {
        "call_id": one.call_id,
        "started_at": one.started_at,
        "start_ms": to_ms(one.start),
        "end_ms": to_ms(one.start + one.duration),
    }


def _json_keywords(one: KeywordsApplied) -> dict[str, Any]:
    return {"keywords_rev": one.revision, "accepted": one.accepted, "rejected": one.rejected}


def _json_gap(transcript: Transcript, gap: AudioGap) -> dict[str, Any]:
    return {
        "channel": gap.channel,
        "role": transcript.call.role(gap.channel),
        "start_ms": to_ms(gap.span.start),
        "end_ms": to_ms(gap.span.end),
        "reason": gap.reason,
        "account": gap.account,
    }


def _json_warning(transcript: Transcript, one: LineWarning) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "role": transcript.call.role(one.channel),
        "fault": one.fault,
        "check": one.check,
        "measured": one.measured,
        "unit": one.unit,
        "at_ms": to_ms(one.at),
    }


def _json_segment(transcript: Transcript, one: StoredSegment) -> dict[str, Any]:
    body: dict[str, Any] = {
        "segment_id": str(one.segment),
        "channel": one.segment.channel,
        "role": transcript.call.role(one.segment.channel),
        "start_ms": to_ms(one.span.start),
        "end_ms": to_ms(one.span.end),
        "type": one.ending,
        "text": one.text,
        "words": [_json_word(word) for word in one.words],
        "language": one.language,
        "keywords_rev": one.keywords_revision,
        "keywords": one.keywords_found,
        "engine": one.engine,
        "flags": one.flags,
    }
    if one.timing:
        latency = {"queue_ms": one.timing.waited_ms, "engine_ms": one.timing.engine_ms}
        body["latency"] = latency
    if one.reason:
        body["reason"] = one.reason
    if one.lexical:
        body["lexical"] = " ".join(word.text for word in one.lexical)
    if one.redactions:
        body["redactions"] = [_json_redaction(redaction) for redaction in one.redactions]
    if one.piece:
        body["call_id"] = one.piece
    return body


def _json_word(word: Word) -> dict[str, Any]:
    body: dict[str, Any] = {"w": word.text}
    if word.start is not None and word.end is not None:
        body |= {"s": to_ms(word.start), "e": to_ms(word.end)}
    if word.confidence is not None:
        body["c"] = round(word.confidence, 3)
    if word.speaker is not None:
        body["speaker"] = word.speaker
    if word.role is not None:
        body["role"] = word.role
    return body


def _json_redaction(one: Redaction) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": one.kind, "word": one.place}
    if one.start is not None and one.end is not None:
        body |= {"s": to_ms(one.start), "e": to_ms(one.end)}
    return body


def _srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, a comma in times.  The format has no speaker field: the role is part of the text."""
    written = []
    for number, cue in enumerate(cues(transcript, _LINE), 1):
        times = f"{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}"
        lines = (without_arrow(line) for line in cue.lines)
        text = f"{cue.role}: " + "\n".join(lines)
        written.append(f"{number}\n{times}\n{text}\n\n")
    return "".join(written)


def _vtt(transcript: Transcript) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/) with a voice tag for each role."""
    written = ["WEBVTT\n\n"]
    for cue in cues(transcript, _LINE):
        times = f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}"
        text = "\n".join(escape(without_arrow(line), quote=False) for line in cue.lines)
        written.append(f"{times}\n<v {escape(cue.role.title(), quote=False)}>{text}\n\n")
    return "".join(written)


def _csv(transcript: Transcript) -> str:
    """CSV (RFC 4180).  A cell that a spreadsheet would take for a formula is prefixed with '."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["start_s", "end_s", "role", "text", "keywords", "engine"])
    transcript = by_speaker(transcript)
    for one in transcript.spoken:
        times = [f"{to_seconds(one.span.start):.3f}", f"{to_seconds(one.span.end):.3f}"]
        role = party(transcript, one)
        cells = [role, one.text, "; ".join(one.keywords_found), one.engine]
        writer.writerow([*times, *(_no_formula(visible(cell)) for cell in cells)])
    return out.getvalue()


def _no_formula(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _ctm(transcript: Transcript) -> str:
    """
    NIST's CTM format (time-marked words) for sclite: one channel after the other, each in order of time.

    If a segment has no word times, its duration is divided among its words in proportion to their lengths.
    """
    lines = []
    for channel in sorted({one.segment.channel for one in transcript.spoken}):
        words = [
            word
            for one in transcript.spoken
            if one.segment.channel == channel
            for word in timed_words(one)
        ]
        for word in sorted(words, key=lambda word: word.start):
            times = f"{to_seconds(word.start):.2f} {to_seconds(word.end - word.start):.2f}"
            sure = 1.0 if word.confidence is None else word.confidence
            text = word.text.replace(" ", "_")
            lines.append(f"{transcript.call.call_id} {channel + 1} {times} {text} {sure:.2f}\n")
    return "".join(lines)


def _clock(samples: int) -> str:
    minutes, seconds = divmod(to_ms(samples) // 1_000, 60)
    return f"{minutes:02d}:{seconds:02d}"


def _stamp(samples: int, point: str) -> str:
    return cue_time(to_ms(samples), point)


_WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": _txt,
    "json": _json,
    "srt": _srt,
    "vtt": _vtt,
    "csv": _csv,
    "ctm": _ctm,
    "stm": write_stm,
    "md": write_markdown,
}

FORMS = tuple(_WRITERS)
"""Formats of `export`."""
