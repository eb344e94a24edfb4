"""A simulator of Twilio Media Streams against the whole stack, and Twilio's own check of signatures."""

import asyncio
import secrets

import pytest
from clients_installed import Clients, Prompt, Stack
from support.ring import Listener
from websockets.asyncio.client import connect

from protocol.dialects.signatures import is_from_twilio


async def test_a_simulated_twilio_call_is_transcribed_on_both_tracks(
    stack: Stack, clients: Clients, prompt: Prompt, other_prompt: Prompt
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
        async with asyncio.timeout(60):
            await listening

    customer, agent = prompt.errors(heard.text(0)), other_prompt.errors(heard.text(1))
    assert heard.events[0]["roles"] == ["customer", "agent"]
    assert customer.rate <= 0.1, customer
    assert agent.rate <= 0.1, agent


@pytest.mark.parametrize("url", ["wss://calls.example.com/twilio", "wss://x.example:8443/twilio/"])
def test_a_signature_that_twilios_library_makes_is_accepted(url: str, clients: Clients) -> None:
    token = secrets.token_hex(16)

    (line,) = clients.speak("speak_twilio", token, url)

    assert is_from_twilio(token, url, line["signature"])
    assert not is_from_twilio(token, url + "x", line["signature"])
