"""A transcript in the forms that people ask for.  Pure: transcript in, text out."""

import csv
import io
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from protocol.clock import to_ms, to_seconds

from .transcript import StoredSegment, Transcript

_LINE = 42
"""Characters in a line of a subtitle, two lines in a cue: what broadcasters use."""


def export(transcript: Transcript, form: str) -> str:
    """`transcript` as one of `FORMS`.  KeyError for any other form."""
    return _WRITERS[form](transcript)


def _txt(transcript: Transcript) -> str:
    """A line for each segment: time, role, words."""
    return "".join(
        f"[{_clock(one.span.start)}] {transcript.call.role(one.segment.channel)}: {one.text}\n"
        for one in transcript.spoken
    )


def _json(transcript: Transcript) -> str:
    call = transcript.call
    body = {
        "call_id": call.call_id,
        "roles": call.roles,
        "language": call.language,
        "dialect": call.dialect,
        "started_at": call.started_at,
        "ended_reason": call.ended_reason,
        "duration_ms": to_ms(call.duration),
        "channels": [
            {f"{account}_ms": to_ms(samples) for account, samples in asdict(totals).items()}
            for totals in call.channels
        ],
        "segments": [_json_segment(transcript, one) for one in transcript.segments],
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def _json_segment(transcript: Transcript, one: StoredSegment) -> dict[str, Any]:
    body: dict[str, Any] = {
        "segment_id": str(one.segment),
        "channel": one.segment.channel,
        "role": transcript.call.role(one.segment.channel),
        "start_ms": to_ms(one.span.start),
        "end_ms": to_ms(one.span.end),
        "type": one.ending,
        "text": one.text,
        "words": [
            {"w": word.text, "s": _ms(word.start), "e": _ms(word.end), "c": word.confidence}
            for word in one.words
        ],
        "language": one.language,
        "keywords_rev": one.keywords_revision,
        "keywords": one.keywords_found,
        "engine": one.engine,
        "flags": one.flags,
    }
    return body | ({"reason": one.reason} if one.reason else {})


def _ms(samples: int | None) -> int | None:
    return None if samples is None else to_ms(samples)


def _srt(transcript: Transcript) -> str:
    """SubRip: numbered cues, commas in times."""
    return "".join(
        f"{number}\n{_stamp(start, ',')} --> {_stamp(end, ',')}\n{role}: {text}\n\n"
        for number, (start, end, role, text) in enumerate(_cues(transcript), 1)
    )


def _vtt(transcript: Transcript) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/) with a voice tag for each role."""
    cues = (
        f"{_stamp(start, '.')} --> {_stamp(end, '.')}\n<v {role.title()}>{_escaped(text)}\n\n"
        for start, end, role, text in _cues(transcript)
    )
    return "WEBVTT\n\n" + "".join(cues)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cues(transcript: Transcript) -> Iterator[tuple[int, int, str, str]]:
    """Start, end, role and at most two lines; a long segment is cut up, its time shared by length."""
    for one in transcript.spoken:
        blocks = _blocks(one.text)
        length, position = max(1, len(one.text)), one.span.start
        for block in blocks:
            end = position + (one.span.end - one.span.start) * len(block) // length
            last = block is blocks[-1]
            yield (
                position,
                one.span.end if last else end,
                transcript.call.role(one.segment.channel),
                block,
            )
            position = end


def _blocks(text: str) -> list[str]:
    lines = textwrap.wrap(text, _LINE, break_long_words=False)
    return ["\n".join(lines[start : start + 2]) for start in range(0, len(lines), 2)]


def _csv(transcript: Transcript) -> str:
    """RFC 4180; a cell that a spreadsheet would take for a formula gets a ' in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["start_s", "end_s", "role", "text", "keywords", "engine"])
    for one in transcript.spoken:
        cells = [one.text, " ".join(one.keywords_found), one.engine]
        times = [f"{to_seconds(one.span.start):.3f}", f"{to_seconds(one.span.end):.3f}"]
        role = transcript.call.role(one.segment.channel)
        writer.writerow([*times, role, *(_no_formula(cell) for cell in cells)])
    return out.getvalue()


def _no_formula(cell: str) -> str:
    """https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _ctm(transcript: Transcript) -> str:
    """NIST's time-marked words; a segment without word times shares its time among its words by length."""
    lines = []
    for one in transcript.spoken:
        for text, start, end, confidence in _timed_words(one):
            name = f"{transcript.call.call_id} {one.segment.channel + 1}"
            times = f"{to_seconds(start):.2f} {to_seconds(end - start):.2f}"
            lines.append(f"{name} {times} {text} {1.0 if confidence is None else confidence:.2f}\n")
    return "".join(lines)


def _timed_words(one: StoredSegment) -> Iterator[tuple[str, int, int, float | None]]:
    letters = sum(len(word.text) for word in one.words)
    position = one.span.start
    for word in one.words:
        end = position + (one.span.end - one.span.start) * len(word.text) // max(1, letters)
        if word.start is None or word.end is None:
            yield word.text, position, end, word.confidence
        else:
            yield word.text, word.start, word.end, word.confidence
        position = end


def _clock(samples: int) -> str:
    minutes, seconds = divmod(to_ms(samples) // 1_000, 60)
    return f"{minutes:02d}:{seconds:02d}"


def _stamp(samples: int, point: str) -> str:
    milliseconds = to_ms(samples)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1_000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{rest:03d}"


_WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": _txt,
    "json": _json,
    "srt": _srt,
    "vtt": _vtt,
    "csv": _csv,
    "ctm": _ctm,
}

FORMS = tuple(_WRITERS)
"""What a transcript can be written as."""
