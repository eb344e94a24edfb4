"""
Deepgram's API for recordings, built on the live API: reads the audio of a request and builds the answer.

https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from ...audio import AudioFormat, Encoding
from ...bridge_events import DialectError
from ...wav import Samples, parse_wav, samples
from ..base import Message, Request
from ..common import json_fields

_RAW = {"mulaw": Encoding.MULAW, "alaw": Encoding.ALAW, "linear16": Encoding.L16}
_RAW_TYPES = {
    "audio/basic": Encoding.MULAW,
    "audio/pcmu": Encoding.MULAW,
    "audio/x-mulaw": Encoding.MULAW,
    "audio/pcma": Encoding.ALAW,
    "audio/x-alaw": Encoding.ALAW,
}
"""Media types that define the format: 8 kHz, one channel, unless the query string says otherwise."""

_OF_THE_FORM = frozenset(
    {"encoding", "sample_rate", "channels", "interim_results", "vad_events", "utterance_end_ms", "utterances"}
)  # fmt: skip
"""Parameters that the gateway sets itself for the live dialect."""


def recording(request: Request, body: bytes) -> Samples:
    """
    The audio in the `body` of a request, not decoded yet.

    Raises DialectError when it cannot be read; the text says what to send instead.
    """
    media_type = _media_type(request)
    if media_type == "application/json" or request.first("url"):
        raise DialectError("url is not supported: send the audio as the request body")
    try:
        found = parse_wav(body) or _raw(request, media_type, body)
    except ValueError as exc:
        raise DialectError(str(exc)) from exc
    if not found.frames:
        raise DialectError("the body contains no audio")
    return found


def as_live(request: Request, rate: int, channels: int) -> Request:
    """The same request for the live API, with 16-bit PCM of `channels` channels at `rate` Hz."""
    kept = (pair for pair in request.query if pair[0] not in _OF_THE_FORM)
    form = {
        "encoding": "linear16",
        "sample_rate": str(rate),
        "channels": str(channels),
        "vad_events": "true",  # gives the number of open segments
    }
    return replace(request, query=(*kept, *form.items()))


class Report:
    """Collects the messages of the live dialect for a recording, and builds one answer."""

    def __init__(self, request: Request, sha256: str) -> None:
        """`sha256`: of the body, in hexadecimal."""
        self.fault: str | None = None
        """The error in the request, if there was one."""

        self._utterances = (request.first("utterances") or "").lower() == "true"
        self._sha256 = sha256
        self._begun = 0
        self._finals: list[dict[str, Any]] = []
        self._metadata: dict[str, Any] | None = None

    @property
    def unfinished(self) -> int:
        """Number of segments that have begun and have no final yet."""
        return max(0, self._begun - len(self._finals))

    @property
    def complete(self) -> bool:
        """Whether the live dialect has sent its last message."""
        return self._metadata is not None

    def apply(self, message: Message) -> None:
        """Add one message of the live dialect."""
        said: dict[str, Any] = msgspec.json.decode(message)
        match said["type"]:
            case "SpeechStarted":
                self._begun += 1
            case "Results" if said["is_final"]:
                self._finals.append(said)
            case "Metadata":
                self._metadata = said
            case "Error":
                self.fault = said["description"]
            case _:
                pass

    def answer(self) -> dict[str, Any]:
        """The whole answer.  Call it only when `complete`."""
        assert self._metadata is not None  # it is complete
        channels = range(self._metadata["channels"])
        results: dict[str, Any] = {
            "channels": [{"alternatives": [self._alternative(channel)]} for channel in channels]
        }
        if self._utterances:
            results["utterances"] = [_utterance(final) for final in self._finals if _text(final)]
        return {"metadata": self._about(self._metadata), "results": results}

    def _about(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        request_id = metadata["request_id"]
        models = {
            one["metadata"]["model_info"]["name"]: one["metadata"]["model_info"]
            for one in self._finals
        }
        return {
            "transaction_key": "deprecated",
            "request_id": request_id,
            "sha256": self._sha256,
            "created": metadata["created"],
            "duration": metadata["duration"],
            "channels": metadata["channels"],
            "models": [*models],
            "model_info": models,
            "warnings": [*metadata["x"]["warnings"], *map(_failure, filter(_failed, self._finals))],
            **{name: metadata[name] for name in ("tags", "extra") if name in metadata},
        }

    def _alternative(self, channel: int) -> dict[str, Any]:
        finals = [final for final in self._finals if final["channel_index"][0] == channel]
        words = [word for final in finals for word in _best(final)["words"]]
        return {
            "transcript": " ".join(text for text in map(_text, finals) if text),
            "confidence": _mean(words),
            "words": words,
        }


def _media_type(request: Request) -> str:
    said = next((value for name, value in request.headers if name == "content-type"), "")
    return said.partition(";")[0].strip().lower()


def _raw(request: Request, media_type: str, body: bytes) -> Samples:
    """Raw audio in the format that the request declares.  Raises ValueError when it declares none."""
    name = (request.first("encoding") or "").lower()
    encoding = _RAW.get(name) if name else _RAW_TYPES.get(media_type)
    if encoding is None:
        raise ValueError(
            "send a WAV file of 16 bit PCM, mu-law or A-law, or raw audio with"
            f" encoding={'|'.join(_RAW)} and sample_rate"
        )
    rate, channels = (
        json_fields.whole({name: request.first(name) or default}, name)
        for name, default in (("sample_rate", "8000"), ("channels", "1"))
    )
    audio = AudioFormat(encoding, rate, channels)
    return samples(audio.encoding, audio.rate, audio.channels, body)


def _best(final: Mapping[str, Any]) -> dict[str, Any]:
    best: dict[str, Any] = final["channel"]["alternatives"][0]
    return best


def _text(final: Mapping[str, Any]) -> str:
    return str(_best(final)["transcript"])


def _failed(final: Mapping[str, Any]) -> bool:
    return "failed" in final["x"]


def _failure(final: Mapping[str, Any]) -> dict[str, str]:
    end = final["start"] + final["duration"]
    message = f"nothing could be written of {final['start']:.1f} to {end:.1f} s"
    return {"parameter": "audio", "type": "segment_failed", "message": message}


def _utterance(final: Mapping[str, Any]) -> dict[str, Any]:
    best = _best(final)
    return {
        "id": final["x"]["segment_id"],
        "start": final["start"],
        "end": round(final["start"] + final["duration"], 3),
        "confidence": best["confidence"],
        "channel": final["channel_index"][0],
        "transcript": best["transcript"],
        "words": best["words"],
    }


def _mean(words: Sequence[Mapping[str, Any]]) -> float:
    return round(sum(word["confidence"] for word in words) / len(words), 4) if words else 0.0
