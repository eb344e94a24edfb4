"""A simulator of Twilio Media Streams against the whole stack, and Twilio's own check of signatures."""

import asyncio
import base64
import json
import secrets
from collections.abc import Iterator

import pytest
from support.clients import Clients, GatewayPorts, Prompt
from support.pipeline import Listener
from support.waiting import PATIENCE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode
from protocol.auth.signatures import twilio_signature


async def test_a_simulated_twilio_call_is_transcribed_on_both_tracks(
    stack: GatewayPorts, clients: Clients, prompt: Prompt, other_prompt: Prompt
) -> None:
    call = f"CA{secrets.token_hex(16)}"
    shown = {"Authorization": f"Bearer {stack.key}"}
    url = stack.ws.replace("ws://", f"ws://trunkline:{stack.key}@") + "/twilio"

    events = f"{stack.ws}/v1/calls/{call}/events"
    async with connect(events, additional_headers=shown) as subscriber:
        heard = Listener()
        listening = asyncio.ensure_future(heard.listen(subscriber))
        await asyncio.to_thread(
            clients.run, "streamdouble",
            "call", url, "--audio", prompt.path,
            "--fork", "--track", "both", "--agent-audio", other_prompt.path, "--strict-fork",
            "--allow-no-audio", "--response-timeout", "2", "--param", f"call_id={call}",
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            await listening

    customer, agent = prompt.errors(heard.text(0)), other_prompt.errors(heard.text(1))
    assert heard.events[0]["roles"] == ["customer", "agent"]
    assert customer.rate <= 0.1, customer
    assert agent.rate <= 0.1, agent


def media_streams(call: str, pcm: Pcm) -> Iterator[str]:
    """One track, as Twilio sends it."""
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"callSid": call, "tracks": ["inbound"], "mediaFormat": form}
    yield json.dumps({"event": "start", "start": start})
    for position in range(0, len(pcm), 160):
        payload = base64.b64encode(encode(pcm[position : position + 160], Encoding.MULAW)).decode()
        media = {"track": "inbound", "timestamp": str(position // 8), "payload": payload}
        yield json.dumps({"event": "media", "media": media})
    yield json.dumps({"event": "stop", "stop": {"callSid": call}})


async def test_a_call_that_twilios_library_has_signed_is_let_in_without_a_key_and_transcribed(
    stack: GatewayPorts, clients: Clients, prompt: Prompt
) -> None:
    call = f"CA{secrets.token_hex(16)}"
    shown = {"Authorization": f"Bearer {stack.key}"}
    url = f"{stack.public}/twilio"
    (signed,) = await asyncio.to_thread(clients.speak, "speak_twilio", stack.twilio_token, url)

    events = f"{stack.ws}/v1/calls/{call}/events"
    async with connect(events, additional_headers=shown) as subscriber, asyncio.timeout(PATIENCE):
        heard = Listener()
        listening = asyncio.ensure_future(heard.listen(subscriber))
        proof = {"X-Twilio-Signature": signed["signature"]}
        async with connect(f"{stack.ws}/twilio", additional_headers=proof) as twilio:
            for message in media_streams(call, read_recording(prompt.path).channels[0]):
                await twilio.send(message)
            await listening

    errors = prompt.errors(heard.text())
    assert errors.rate <= 0.1, errors


async def test_a_signature_with_another_token_is_refused_before_the_connection_opens(
    stack: GatewayPorts, clients: Clients
) -> None:
    url = f"{stack.public}/twilio"
    (signed,) = await asyncio.to_thread(clients.speak, "speak_twilio", secrets.token_hex(16), url)

    with pytest.raises(InvalidStatus) as refused:
        proof = {"X-Twilio-Signature": signed["signature"]}
        await connect(f"{stack.ws}/twilio", additional_headers=proof)

    assert refused.value.response.status_code == 401


@pytest.mark.parametrize("url", ["wss://calls.example.com/twilio", "wss://x.example:8443/twilio/"])
def test_twilios_library_accepts_the_signature_that_we_expect(url: str, clients: Clients) -> None:
    token = secrets.token_hex(16)

    (line,) = clients.speak("speak_twilio", token, url, twilio_signature(token, url))

    assert line["valid"] is True
