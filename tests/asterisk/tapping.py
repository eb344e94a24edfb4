"""
A small application for Asterisk's REST interface: taps both sides of each call, and lets the taps join.

https://docs.asterisk.org/Configuration/Interfaces/Asterisk-REST-Interface-ARI/
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
from support.http_client import http_client
from websockets.asyncio.client import connect

APP = "tapping"
KEY = "trunkline:trunkline"
_SIDES = {"in": "customer", "out": "agent"}
"""The audio of the tapped channel, and the audio played to it."""


@dataclass(slots=True)
class Tapping:
    """One run of the application; `play`: sound file of the agent, without the suffix."""

    client: httpx.AsyncClient
    play: str
    waiting: dict[str, str] = field(default_factory=dict)
    """Bridges of channels that are not in the application yet, by the id of the channel."""

    external: list[str] = field(default_factory=list)

    async def happened(self, event: Mapping[str, Any]) -> None:
        """One event of Asterisk's."""
        match event:
            case {"type": "StasisStart", "channel": {"id": channel}} if channel in self.waiting:
                await self._post(f"bridges/{self.waiting[channel]}/addChannel", channel=channel)
            case {"type": "StasisStart", "args": [call_id], "channel": {"id": channel}}:
                for spy, role in _SIDES.items():
                    await self._tap(channel, spy, f"call_id={call_id},role={role}")
                await self._post(f"channels/{channel}/play", media=f"sound:{self.play}")
            case {"type": "StasisEnd", "channel": {"name": str(name)}} if name.startswith("PJSIP/"):
                for channel in self.external:  # they do not end by themselves
                    await self.client.delete(f"channels/{channel}")
            case _:
                pass

    async def _tap(self, channel: str, spy: str, said: str) -> None:
        bridge = (await self._post("bridges", type="mixing"))["id"]
        snoop = await self._post(f"channels/{channel}/snoop", spy=spy, app=APP, appArgs="")
        self.waiting[snoop["id"]] = bridge  # it is added when it is in the application
        external = await self._post(
            "channels/externalMedia",
            app=APP, external_host="trunkline", transport="websocket", encapsulation="none",
            format="ulaw", transport_data=f"d(in)v({said},join=customer-agent)",
        )  # fmt: skip
        self.waiting[external["id"]] = bridge
        self.external.append(external["id"])

    async def _post(self, path: str, **said: str) -> dict[str, Any]:
        answer = await self.client.post(path, params=said)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        answered: dict[str, Any] = answer.json() if answer.content else {}
        return answered


@asynccontextmanager
async def tapping(port: int, play: str) -> AsyncIterator[AsyncIterator[Tapping]]:
    """The application, connected; each step of the iterator is one event it has seen to."""
    base = f"http://127.0.0.1:{port}/ari/"
    user, password = KEY.split(":")
    async with (
        http_client(base_url=base, auth=(user, password)) as client,
        connect(f"ws://127.0.0.1:{port}/ari/events?app={APP}&api_key={quote(KEY)}") as events,
    ):
        app = Tapping(client, play)

        async def steps() -> AsyncIterator[Tapping]:
            async for event in events:
                await app.happened(json.loads(event))
                yield app

        yield steps()
