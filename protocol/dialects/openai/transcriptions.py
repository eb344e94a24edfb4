"""
OpenAI's API for recordings: the fields of a request, and the answer in each form.

https://platform.openai.com/docs/api-reference/audio/createTranscription
A recording is played into Deepgram's live dialect; `LiveResults` takes its messages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

import msgspec

from ...bridge_events import DialectError
from ...calls.call import language as language_code
from ...calls.keywords import MOST_TERMS, split
from ...calls.speaker_roles import role_rule
from ...clock import cue_time
from ...outgoing.webhooks import Callback, Secret, SecretError
from ...plain_text import plain, without_arrow
from ..base import Request
from ..common.turns import letter
from ..deepgram.live_results import LiveResults, best_of, text_of

_DIARIZED = "diarized_json"
_FORMS = ("json", "text", "srt", "vtt", "verbose_json", _DIARIZED)
_LONGEST_FIELD = 16_384

_NAMES = {
    "en": "english",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "pt": "portuguese",
    "ja": "japanese",
}
"""Names that `verbose_json` has for languages; others are given as their code."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The fields of a request.  `model`, `temperature` and unknown fields change nothing."""

    form: str = "json"
    language: str = "en"
    keywords: tuple[str, ...] = ()
    """From `prompt`: names, separated by commas."""

    streamed: bool = False
    with_words: bool = False
    in_background: bool = False
    """Answer at once, also if there is a callback; the transcript is that of the stored call."""

    callback: Callback | None = None
    call_id: str | None = None
    speaker_roles: str | None = None
    """The rule for the roles of speakers; None: segments have no role."""

    def as_live(self, rate: int, channels: int) -> Request:
        """The request of the live dialect for 16-bit PCM of `channels` channels at `rate` Hz."""
        query = [
            ("encoding", "linear16"),
            ("sample_rate", str(rate)),
            ("channels", str(channels)),
            ("multichannel", "true"),
            ("smart_format", "true"),  # as OpenAI writes
            ("vad_events", "true"),  # gives the number of open segments
            ("language", self.language),
            *(("keyterm", term) for term in self.keywords),
            *([("call_id", self.call_id)] if self.call_id else []),
            *([("diarize", "true")] if self.form == _DIARIZED else []),
            *([("speaker_roles", self.speaker_roles)] if self.speaker_roles else []),
        ]
        return Request("/v1/listen", tuple(query))


def read_fields(fields: Iterable[tuple[str, str]]) -> Wanted:
    """Parse the fields of the form.  Raises DialectError."""
    said = dict(fields)
    if any(len(value) > _LONGEST_FIELD for value in said.values()):
        raise DialectError(f"a field has at most {_LONGEST_FIELD} characters")
    form = said.get("response_format", "json")
    if form not in _FORMS:
        raise DialectError(f"response_format is one of {', '.join(_FORMS)}")
    try:
        language = language_code(said.get("language") or "en")
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
    callback = _callback(said)
    granularity = said.get("timestamp_granularities[]", said.get("timestamp_granularities", ""))
    return Wanted(
        form=form,
        language=language,
        keywords=tuple(split(said.get("prompt", ""))[:MOST_TERMS]),
        streamed=said.get("stream", "").lower() in ("true", "1"),
        with_words="word" in granularity,
        in_background=said.get("background", "").lower() in ("true", "1") or callback is not None,
        callback=callback,
        call_id=said.get("call_id") or None,
        speaker_roles=_roles(said),
    )


def _roles(said: Mapping[str, str]) -> str | None:
    """The rule for the roles of speakers, which OpenAI does not have."""
    if not said.get("speaker_roles"):
        return None
    try:
        role_rule(said["speaker_roles"])
    except ValueError as exc:
        raise DialectError(f"speaker_roles {exc}") from exc
    return said["speaker_roles"]


def _callback(said: Mapping[str, str]) -> Callback | None:
    if not said.get("callback"):
        return None
    try:
        Secret.read(said.get("callback_secret", ""))
    except SecretError as exc:
        raise DialectError(f"callback needs callback_secret, which signs it: {exc}") from exc
    return Callback(said["callback"], said["callback_secret"])


class Transcription:
    """The answer for one recording, in any form."""

    def __init__(self, results: LiveResults) -> None:
        self._results = results
        self._told = 0

    def deltas(self) -> list[str]:
        """The texts of the finals that have come since the last call, each with a space behind it."""
        new, self._told = self._results.finals[self._told :], len(self._results.finals)
        return [f"{text} " for text in map(text_of, new) if text]

    def answer(self, wanted: Wanted) -> tuple[str, str]:
        """The whole answer and its content type.  Call it only when the results are `complete`."""
        spoken = self._spoken
        match wanted.form:
            case "text":
                return f"{_joined(spoken)}\n", "text/plain; charset=utf-8"
            case "srt":
                return _srt(spoken), "application/x-subrip; charset=utf-8"
            case "vtt":
                return _vtt(spoken), "text/vtt; charset=utf-8"
            case "diarized_json":
                return _encoded(self._diarized(spoken)), "application/json"
            case "verbose_json":
                return _encoded(self._verbose(spoken, wanted)), "application/json"
            case _:
                return _encoded({"text": _joined(spoken)}), "application/json"

    @property
    def text(self) -> str:
        """All words, in order of time."""
        return _joined(self._spoken)

    @property
    def _spoken(self) -> list[dict[str, Any]]:
        """The finals with words, in order of time."""
        return sorted(filter(text_of, self._results.finals), key=lambda one: float(one["start"]))

    def _diarized(self, spoken: list[dict[str, Any]]) -> dict[str, Any]:
        """As OpenAI's `gpt-4o-transcribe-diarize` answers."""
        assert self._results.metadata is not None  # it is complete
        segments = [turn for number, one in enumerate(spoken) for turn in _turns(number, one)]
        return {
            "task": "transcribe",
            "duration": self._results.metadata["duration"],
            "text": _joined(spoken),
            "segments": segments,
        }

    def _verbose(self, spoken: list[dict[str, Any]], wanted: Wanted) -> dict[str, Any]:
        assert self._results.metadata is not None  # it is complete
        body: dict[str, Any] = {
            "task": "transcribe",
            "language": _NAMES.get(wanted.language, wanted.language),
            "duration": self._results.metadata["duration"],
            "text": _joined(spoken),
            "segments": [_segment(number, one) for number, one in enumerate(spoken)],
        }
        if wanted.with_words:
            body["words"] = [
                {"word": word["word"], "start": word["start"], "end": word["end"]}
                for one in spoken
                for word in best_of(one)["words"]
            ]
        return body


def _turns(number: int, one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A segment for each speaker that follows another in a final; `A` is the first of the recording."""
    groups = [
        list(words) for _, words in groupby(best_of(one)["words"], lambda word: word.get("speaker"))
    ]
    return [
        {
            "id": f"seg_{number}_{place}",
            "type": "transcript.text.segment",
            "speaker": _letter(words[0].get("speaker")),
            "start": words[0]["start"],
            "end": words[-1]["end"],
            "text": " ".join(word["punctuated_word"] for word in words),
            **({"role": words[0]["role"]} if "role" in words[0] else {}),
        }
        for place, words in enumerate(groups)
    ]


def _letter(speaker: int | None) -> str:
    """OpenAI's name of a speaker."""
    return "unknown" if speaker is None else letter(speaker)


def delta_event(text: str) -> str:
    """An event of a streamed answer: more text."""
    return _encoded({"type": "transcript.text.delta", "delta": text, "logprobs": []})


def done_event(text: str) -> str:
    """The last event of a streamed answer: the whole text."""
    return _encoded({"type": "transcript.text.done", "text": text, "logprobs": []})


def error_body(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    """An error, as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def _segment(number: int, one: Mapping[str, Any]) -> dict[str, Any]:
    best = best_of(one)
    return {
        "id": number,
        "seek": 0,
        "start": one["start"],
        "end": round(one["start"] + one["duration"], 3),
        "text": best["transcript"],
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
        "channel": one["channel_index"][0],
    }


def _srt(spoken: list[dict[str, Any]]) -> str:
    return "".join(
        f"{number}\n{_times(one, ',')}\n{_caption(one)}\n\n" for number, one in enumerate(spoken, 1)
    )


def _vtt(spoken: list[dict[str, Any]]) -> str:
    cues = (f"{_times(one, '.')}\n{escape(_caption(one), quote=False)}\n\n" for one in spoken)
    return "WEBVTT\n\n" + "".join(cues)


def _times(one: Mapping[str, Any], point: str) -> str:
    end = max(one["start"] + one["duration"], one["start"] + 0.001)
    return f"{_stamp(one['start'], point)} --> {_stamp(end, point)}"


def _stamp(seconds: float, point: str) -> str:
    return cue_time(round(1_000 * seconds), point)


def _caption(one: Mapping[str, Any]) -> str:
    return without_arrow(plain(text_of(one)))


def _joined(spoken: Iterable[Mapping[str, Any]]) -> str:
    return " ".join(text_of(one) for one in spoken)


def _encoded(body: Mapping[str, Any]) -> str:
    return msgspec.json.encode(body).decode()
