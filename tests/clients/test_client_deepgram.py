"""Deepgram's SDK, and third-party plugins for its API, against the whole stack."""

import json
from typing import Any

import pytest
from support.clients import Clients, GatewayPorts, Prompt, said
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol


def bodies(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line["body"] for line in lines if line.get("type") == kind]


@pytest.fixture(scope="module")
def live(stack: GatewayPorts, clients: Clients, prompt: Prompt) -> list[dict[str, Any]]:
    """One call with everything that the SDK can ask for."""
    options = (
        "tag=ci",
        "extra=call_id:sdk-1",
        "extra=ticket:7",
        "diarize=true",
        "smart_format=true",
    )
    return clients.speak("speak_deepgram", stack.ws, prompt.path, *options, key=stack.key)


def test_deepgrams_sdk_gets_the_words(live: list[dict[str, Any]], prompt: Prompt) -> None:
    errors = prompt.errors(said(live))

    assert errors.rate <= 0.1, errors


def test_deepgrams_sdk_understands_every_message(live: list[dict[str, Any]]) -> None:
    parsed = {line["type"]: line["parsed"] for line in live}

    assert parsed == {
        "SpeechStarted": "ListenV1SpeechStarted",
        "Results": "ListenV1Results",
        "UtteranceEnd": "ListenV1UtteranceEnd",
        "Metadata": "ListenV1Metadata",
    }


def test_deepgrams_sdk_gets_warnings_for_unsupported_options(
    live: list[dict[str, Any]],
) -> None:
    (metadata,) = bodies(live, "Metadata")

    assert live[-1]["type"] == "Metadata"
    assert metadata["request_id"] == "sdk-1"
    assert metadata["tags"] == ["ci"]
    assert metadata["extra"] == {"call_id": "sdk-1", "ticket": "7"}
    warned = {warning["parameter"]: warning["type"] for warning in metadata["x"]["warnings"]}
    assert warned == {"model": "ignored"}


def test_deepgrams_sdk_sees_partials_before_finals_and_words_in_order(
    live: list[dict[str, Any]],
) -> None:
    results = bodies(live, "Results")
    spoken = [result for result in results if result["channel"]["alternatives"][0]["transcript"]]
    times = [
        time
        for result in spoken
        if result["is_final"]
        for word in result["channel"]["alternatives"][0]["words"]
        for time in (word["start"], word["end"])
    ]

    assert spoken[0]["is_final"] is False
    assert times == sorted(times)
    assert sum(result["from_finalize"] for result in results) == 1


@pytest.mark.parametrize(
    "script", ["speak_livekit", pytest.param("speak_pipecat", marks=pytest.mark.long)]
)
def test_other_peoples_deepgram_services_get_the_words(
    script: str, stack: GatewayPorts, clients: Clients, prompt: Prompt
) -> None:
    lines = clients.speak(script, stack.ws, prompt.path, key=stack.key)

    errors = prompt.errors(said(lines))
    assert errors.rate <= 0.1, errors


def test_deepgrams_sdk_gets_the_words_of_a_recording(
    stack: GatewayPorts, clients: Clients, prompt: Prompt
) -> None:
    (line,) = clients.speak("speak_deepgram_file", stack.http, prompt.path, key=stack.key)

    errors = prompt.errors(line["final"])
    assert errors.rate <= 0.1, errors
    assert line["parsed"] == "ListenV1Response"
    assert abs(line["body"]["metadata"]["duration"] - prompt.seconds) < 0.2


async def test_a_browser_shows_deepgrams_key_as_a_subprotocol(stack: GatewayPorts) -> None:
    url = f"{stack.ws}/v1/listen?encoding=linear16"

    async with connect(url, subprotocols=[Subprotocol("token"), Subprotocol(stack.key)]) as call:
        await call.send(b"\0\0" * 800)
        await call.send('{"type":"CloseStream"}')
        answers = [json.loads(message) async for message in call]

    assert call.subprotocol == "token"
    assert answers[-1]["type"] == "Metadata"


async def test_a_wrong_key_of_deepgrams_is_refused_before_the_connection_opens(
    stack: GatewayPorts,
) -> None:
    url = f"{stack.ws}/v1/listen?encoding=linear16"

    with pytest.raises(InvalidStatus) as refused:
        await connect(url, additional_headers={"Authorization": f"Token {stack.key[:-1]}"})

    assert refused.value.response.status_code == 401
