"""
A simulated bridge that plays an audio file.

`script` returns the messages and their times as a pure function of the recording; `play` sends them.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from protocol.audio import Encoding, encode
from protocol.clock import CALL_RATE, to_seconds
from protocol.operator_error import OperatorError

from .recording import Recording

FRAME = CALL_RATE // 50
"""Samples in a frame: 20 ms, as bridges send them."""

PATHS = {"native": "/v1/calls", "twilio": "/twilio"}
"""Gateway path of each dialect that can be played."""

_RECONNECT = 0.5
"""Seconds before a lost subscription is tried again."""

_ATTEMPTS = 20
"""Most attempts in a row."""


class PlaybackError(OperatorError):
    """The gateway is unreachable, refused the call or closed the connection.  The text says which."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """Parameters of the call that the bridge sends."""

    call_id: str
    roles: tuple[str, ...]
    language: str = "en"
    keywords: tuple[str, ...] = ()
    translate_to: str | None = None


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """A message; `at`: seconds from the first sample of the call to sending it, at pace 1."""

    at: float
    message: str | bytes


def script(dialect: str, recording: Recording, plan: CallPlan) -> Iterator[TimedMessage]:
    """Return all messages that a bridge of this dialect sends.  Raises KeyError for other dialects."""
    return {"native": _native, "twilio": _twilio}[dialect](recording, plan)


def _frames(recording: Recording) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the start of each frame in samples, and its mu-law bytes for each channel."""
    for start in range(0, recording.samples, FRAME):
        yield (
            start,
            [encode(pcm[start : start + FRAME], Encoding.MULAW) for pcm in recording.channels],
        )


def _native(recording: Recording, plan: CallPlan) -> Iterator[TimedMessage]:
    start: dict[str, Any] = {
        "type": "start",
        "call_id": plan.call_id,
        "channels": plan.roles,
        "encoding": "mulaw",
        "sample_rate": CALL_RATE,
        "language": plan.language,
        "keywords": plan.keywords,
    }
    if plan.translate_to:
        start["translate_to"] = plan.translate_to
    yield TimedMessage(0.0, json.dumps(start))
    for position, channels in _frames(recording):
        interleaved = b"".join(bytes(sample) for sample in zip(*channels, strict=True))
        yield TimedMessage(to_seconds(position + len(channels[0])), interleaved)
    yield TimedMessage(recording.seconds, '{"type":"stop"}')


def _twilio(recording: Recording, plan: CallPlan) -> Iterator[TimedMessage]:
    """https://www.twilio.com/docs/voice/media-streams/websocket-messages; numbers are strings, as there."""
    tracks = ("inbound", "outbound")[: len(recording.channels)]
    stream = {"streamSid": "MZ" + "0" * 32}
    parameters = {
        "call_id": plan.call_id,
        "language": plan.language,
        "keywords": ",".join(plan.keywords),
        "roles": ",".join(
            f"{track}:{role}" for track, role in zip(tracks, plan.roles, strict=False)
        ),
    }
    if plan.translate_to:
        parameters["translate_to"] = plan.translate_to
    start = {
        "accountSid": "AC" + "0" * 32,
        "callSid": plan.call_id,
        "tracks": tracks,
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": CALL_RATE, "channels": 1},
        "customParameters": parameters,
    }
    yield TimedMessage(
        0.0, json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    )
    yield TimedMessage(
        0.0, json.dumps({"event": "start", "sequenceNumber": "1", "start": start | stream} | stream)
    )
    sequence = 1
    for position, channels in _frames(recording):
        due = to_seconds(position + len(channels[0]))
        for track, payload in zip(tracks, channels, strict=False):
            sequence += 1
            media = {
                "track": track,
                "chunk": str(position // FRAME + 1),
                "timestamp": str(position * 1_000 // CALL_RATE),
                "payload": base64.b64encode(payload).decode(),
            }
            head = {"event": "media", "sequenceNumber": str(sequence)}
            yield TimedMessage(due, json.dumps(head | {"media": media} | stream))
    stop = {"event": "stop", "sequenceNumber": str(sequence + 1), "stop": {"callSid": plan.call_id}}
    yield TimedMessage(recording.seconds, json.dumps(stop | stream))


@dataclass(frozen=True, slots=True)
class Playback:
    """A call to play; `pace`: 1 is real time, 2 twice as fast."""

    url: str
    dialect: str
    recording: Recording
    plan: CallPlan
    pace: float = 1.0
    key: str = field(default="", repr=False)
    """Key for the gateway; empty if it has no keys."""

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers with the key."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


OnEvent = Callable[[dict[str, Any]], None]
"""Called with each public event as it arrives."""


async def play(
    playback: Playback, heard: OnEvent, progress: Callable[[float], None], hang_up: asyncio.Event
) -> None:
    """
    Play a call and receive its events, until `call.ended`.

    Calls `progress` with the seconds of the call that have been sent.  When `hang_up` is set, the call ends there
    and the remaining events are still received.  Raises PlaybackError if the call cannot be played to its end.
    """
    url = _base(playback.url) + PATHS[playback.dialect]
    try:
        async with connect(
            url,
            compression=None,
            additional_headers=playback.headers,
            proxy=_proxy(url),
        ) as socket:
            ended = await _converse(socket, playback, heard, progress, hang_up)
    except InvalidStatus as exc:
        raise PlaybackError(_refusal(url, exc)) from exc
    except InvalidURI as exc:
        raise PlaybackError(f"{playback.url} is not the address of a gateway") from exc
    except (OSError, InvalidHandshake) as exc:
        raise PlaybackError(
            f"no gateway answers at {url} ({exc}): start it, or check the address"
        ) from exc
    if not ended:
        reason = f"{socket.close_reason or 'no reason given'}, code {socket.close_code}"
        raise PlaybackError(f"the gateway closed the connection before the call ended ({reason})")


async def _converse(
    socket: ClientConnection,
    playback: Playback,
    heard: OnEvent,
    progress: Callable[[float], None],
    hang_up: asyncio.Event,
) -> bool:
    """Send and receive concurrently.  Returns whether `call.ended` arrived."""
    async with asyncio.TaskGroup() as tasks:
        if playback.dialect == "native":
            receiving = tasks.create_task(_feed(socket, heard))
        else:
            tasks.create_task(_drain(socket))
            receiving = tasks.create_task(_subscribe(playback, heard))
        await _send(socket, playback, progress, hang_up)
    return receiving.result()


def _refusal(url: str, refused: InvalidStatus) -> str:
    """Describe why the gateway refused the call."""
    response = refused.response
    later = response.headers.get("Retry-After")
    said = (response.body or b"").decode(errors="replace").strip()
    again = f"; try again in {later} s" if later else ""
    return f"{url} refused the call with HTTP {response.status_code}{again}: {said}"


async def _send(
    socket: ClientConnection,
    playback: Playback,
    progress: Callable[[float], None],
    hang_up: asyncio.Event,
) -> None:
    """Send on a schedule that is fixed before the first message, so that the times do not drift."""
    messages = list(script(playback.dialect, playback.recording, playback.plan))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with contextlib.suppress(ConnectionClosed):  # the receiver reports it
        for due in messages[:-1]:
            await asyncio.sleep(began + due.at / playback.pace - loop.time())
            if hang_up.is_set():
                break
            await socket.send(due.message)
            progress(due.at)
        await socket.send(messages[-1].message)


async def _feed(socket: ClientConnection, heard: OnEvent) -> bool:
    """Receive events.  Returns whether `call.ended` arrived before the connection closed."""
    kind = None
    with contextlib.suppress(ConnectionClosed):
        async for message in socket:
            event = _event(message)
            heard(event)
            kind = event.get("type")
    return kind == "call.ended"


def _event(message: str | bytes) -> dict[str, Any]:
    """Parse a message of the gateway; empty if it is not a JSON object."""
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


async def _drain(socket: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for _ in socket:
            pass


async def _subscribe(playback: Playback, heard: OnEvent) -> bool:
    """
    Receive the events of the call on a separate connection; after a loss, reconnect after the last event.

    Returns whether `call.ended` arrived; False after `_ATTEMPTS` failures in a row.
    """
    events = f"{_base(playback.url)}/v1/calls/{playback.plan.call_id}/events"
    after, attempts = 0, 0
    while attempts < _ATTEMPTS:
        try:
            asked = f"{events}?after={after}"
            async with connect(
                asked, additional_headers=playback.headers, proxy=_proxy(asked)
            ) as socket:
                async for message in socket:
                    event = _event(message)
                    after, attempts = event.get("seq", after), 0
                    heard(event)
                    if event.get("type") == "call.ended":
                        return True
        except (OSError, ConnectionClosed, InvalidHandshake):
            pass
        attempts += 1
        await asyncio.sleep(_RECONNECT)
    return False


def _proxy(url: str) -> Literal[True] | None:
    """Return True to use the proxy of the environment (`http_proxy`), None for connections to this machine."""
    host = urlsplit(url).hostname or ""
    return None if host in {"localhost", "::1"} or host.startswith("127.") else True


def _base(url: str) -> str:
    """Return scheme and host of a URL without its path."""
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    return f"{parts.scheme.replace('http', 'ws')}://{parts.netloc}"
