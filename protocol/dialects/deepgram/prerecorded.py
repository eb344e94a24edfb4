"""
Deepgram's API for recordings, built on the live API: reads the audio of a request and builds the answer.

https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...audio import AudioFormat, Encoding
from ...bridge_events import DialectError
from ...codecs.wav import Samples, parse_wav, samples
from ...outgoing.webhooks import Callback, Secret, SecretError
from ..base import Request
from ..common import json_fields
from .live_results import LiveResults, best_of, text_of

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
    {
        "encoding", "sample_rate", "channels", "interim_results", "vad_events", "utterance_end_ms", "utterances",
        "callback", "callback_method", "callback_secret",
    }
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


def callback_of(request: Request) -> Callback | None:
    """
    Where the result is sent, if the client does not want to wait for it.  Raises DialectError.

    `callback_secret`, which Deepgram does not have, signs it.
    """
    url, secret = request.first("callback"), request.first("callback_secret") or ""
    if not url:
        return None
    if (request.first("callback_method") or "post").lower() != "post":
        raise DialectError("callback_method is post")
    try:
        if secret:
            Secret.read(secret)
    except SecretError as exc:
        raise DialectError(f"callback_secret: {exc}") from exc
    return Callback(url, secret)


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
    """The answer for one recording."""

    def __init__(self, results: LiveResults, request: Request, sha256: str) -> None:
        """`sha256`: of the body, in hexadecimal."""
        self._results = results
        self._utterances = (request.first("utterances") or "").lower() == "true"
        self._sha256 = sha256

    def answer(self) -> dict[str, Any]:
        """The whole answer.  Call it only when the results are `complete`."""
        assert self._results.metadata is not None  # it is complete
        channels = range(self._results.metadata["channels"])
        results: dict[str, Any] = {
            "channels": [{"alternatives": [self._alternative(channel)]} for channel in channels]
        }
        if self._utterances:
            results["utterances"] = [
                _utterance(final) for final in self._results.finals if text_of(final)
            ]
        return {"metadata": self._about(self._results.metadata), "results": results}

    def _about(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        request_id = metadata["request_id"]
        models = {
            one["metadata"]["model_info"]["name"]: one["metadata"]["model_info"]
            for one in self._results.finals
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
            "warnings": [
                *metadata["x"]["warnings"],
                *map(_failure, filter(_failed, self._results.finals)),
            ],
            **{name: metadata[name] for name in ("tags", "extra") if name in metadata},
        }

    def _alternative(self, channel: int) -> dict[str, Any]:
        finals = [final for final in self._results.finals if final["channel_index"][0] == channel]
        words = [word for final in finals for word in best_of(final)["words"]]
        return {
            "transcript": " ".join(text for text in map(text_of, finals) if text),
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


def _failed(final: Mapping[str, Any]) -> bool:
    return "failed" in final["x"]


def _failure(final: Mapping[str, Any]) -> dict[str, str]:
    end = final["start"] + final["duration"]
    message = f"nothing could be written of {final['start']:.1f} to {end:.1f} s"
    return {"parameter": "audio", "type": "segment_failed", "message": message}


def _utterance(final: Mapping[str, Any]) -> dict[str, Any]:
    best = best_of(final)
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
