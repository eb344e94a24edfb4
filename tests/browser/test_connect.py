"""Connect a phone system: a snippet for each, a key made on the spot, and what the first audio is like."""

import asyncio
import json
import re

import numpy as np
import pytest
from playwright.async_api import Browser, Page, Route, expect
from support.http_client import http_client
from support.pipeline import calling, stream
from support.waiting import until

from browser.stack import PROMPT, Guarded, Stack
from cli.recording import read_recording
from protocol.audio import Encoding, encode
from protocol.dialects import registry
from protocol.dialects.base import Request

_QUERY = (("encoding", "mulaw"),)  # Deepgram's clients must name it
_BRIDGES = """async () => {
  const { BRIDGES } = await import(document.querySelector("script[type=module]").src.replace("connect.js", "bridges.js"));
  const places = { ws: "wss://gw.example", http: "https://gw.example:8081", audiosocket: "gw.example:8082" };
  return BRIDGES.map((one) => ({ ...one, open: one.snippet({ ...places, key: "" }), keyed: one.snippet({ ...places, key: "tk_secret" }) }));
}"""


async def test_each_dialect_of_the_gateway_has_a_snippet_with_its_address_and_the_key(
    shared: Stack, page: Page
) -> None:
    paths = {registry.open_dialect(Request(path, _QUERY)).name: path for path in registry.paths()}
    await page.goto(f"{shared.url}/connect")

    bridges = {one["dialects"][0]: one for one in await page.evaluate(_BRIDGES)}

    assert bridges.keys() == {*paths, "audiosocket"}
    for name, bridge in bridges.items():
        assert "gw.example" in bridge["open"], name
        assert ("tk_secret" in bridge["keyed"]) != ("keyNote" in bridge), name
        assert "tk_" not in bridge["open"], name
        is_sdk = name in ("deepgram", "assemblyai", "openai")
        assert is_sdk or paths.get(name, "/v1/audiosocket/") in bridge["open"], name


async def test_the_first_audio_lights_the_lamp_and_tells_codec_channels_and_level(
    shared: Stack, page: Page
) -> None:
    await page.goto(f"{shared.url}/connect?system=native")
    await expect(page.locator(".snippet pre")).to_contain_text(f"{shared.pipe.url}/v1/calls")
    await expect(page.get_by_text("Waiting for the first audio")).to_be_visible()
    async with shared.call("connect-1") as talk:
        await talk.say(0, "hello there how are you")
        arrival, levels = page.locator("[data-arrival]"), page.locator("[data-levels] li")
        await expect(arrival).to_contain_text(re.compile("It works: speech arrives|One-way audio"))
        await expect(arrival).to_contain_text("G.711 µ-law")
        await expect(arrival).to_contain_text("8 kHz")
        await expect(arrival).to_contain_text("2: Agent, Customer")
        await expect(levels.nth(0)).to_contain_text("a normal level")
        await expect(levels.nth(1)).to_contain_text("digital silence")
        agent = page.get_by_role("meter", name="Level of Agent")
        await expect(agent).to_have_js_property("min", -60)
        await talk.hang_up()
    await expect(levels.nth(0)).to_contain_text("dBFS")  # what was measured last stays


async def test_a_call_that_begins_before_the_first_snapshot_is_seen(
    shared: Stack, page: Page
) -> None:
    begun = asyncio.Event()

    async def late(route: Route) -> None:
        await begun.wait()
        await route.continue_()

    await page.route("**/v1/live", late)
    await page.goto(f"{shared.url}/connect?system=native")
    await expect(page.get_by_text("Waiting for the first audio")).to_be_visible()
    async with shared.call("connect-3") as talk:
        await talk.say(0, "hello there how are you")
        begun.set()
        arrival = page.locator("[data-arrival]")
        await expect(arrival).to_contain_text(re.compile("It works: speech arrives|One-way audio"))
        await talk.hang_up()


async def test_the_page_says_what_is_wrong_with_the_audio(shared: Stack, page: Page) -> None:
    await page.goto(f"{shared.url}/connect?system=native")
    await expect(page.get_by_text("Waiting for the first audio")).to_be_visible()
    speech = np.tile(read_recording(PROMPT).channels[0][:40_000], 3)
    alaw = encode(speech, Encoding.ALAW)
    async with calling(
        shared.pipe.url, call_id="connect-2", encoding="mulaw", channels=["customer"]
    ) as (bridge, heard):
        await stream(bridge, alaw[: len(alaw) // 160 * 160], frame=160, pace=8)
        arrival = page.locator("[data-arrival]")
        await expect(arrival).to_contain_text("something is wrong")
        await expect(arrival).to_contain_text("Wrong µ-law/A-law")
        await bridge.send(json.dumps({"type": "stop"}))
        await heard.until("call.ended")


async def test_a_key_is_made_on_the_spot_by_administrators_only(
    guarded: Guarded, page: Page, browser: Browser
) -> None:
    await guarded.log_in(page, "/connect?system=asterisk", guarded.admin)
    await page.get_by_role("button", name="Make a key").click()
    made = await page.locator(".key").inner_text()
    await expect(page.locator(".snippet pre")).to_contain_text(f"password = {made}")
    async with http_client(base_url=guarded.stack.url) as client:

        async def known() -> int | None:
            answer = await client.get("/v1/calls", headers={"authorization": f"Bearer {made}"})
            return None if answer.status_code == 401 else answer.status_code

        status = await until(known)  # the API reads the key file again
    assert status == 403  # it sends calls, and reads none

    other = await (await browser.new_context()).new_page()
    await guarded.log_in(other, "/connect?system=asterisk", guarded.keys.acme)
    await expect(other.get_by_label("Key with the scope ingest")).to_be_visible()
    await expect(other.get_by_role("button", name="Make a key")).to_have_count(0)
    await other.context.close()


@pytest.mark.parametrize("system", ["twilio", "vonage"])
async def test_a_system_that_sends_no_key_is_told_how_it_proves_itself(
    shared: Stack, page: Page, system: str
) -> None:
    await page.goto(f"{shared.url}/connect?system={system}")

    await expect(page.get_by_role("radio", checked=True)).to_have_text(system.capitalize())
    await expect(page.locator(".snippet pre")).to_contain_text(f"/{system}")
