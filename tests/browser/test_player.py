"""The player of kept audio: ranges in Chromium, the place of each word, keyboard, and the word that is spoken."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, Response, expect
from support.http_client import http_client
from support.pipeline import calling, stream
from support.waiting import until

from browser.conftest import PATIENCE_MS
from browser.stack import Stack, stack
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, encode

expect.set_options(timeout=PATIENCE_MS)

PROMPTS = sorted((Path(__file__).parents[1] / "speech" / "prompts").glob("*.wav"))[:4]
PAUSE = np.zeros(10_000, np.int16)
LINES: list[Pcm] = [read_recording(path).channels[0] for path in PROMPTS]
PHRASE = "the <b>zeppelin</b> of Orvanta left us at noon with all that we had brought along"
SECOND = 8_000

_CENTRE = """(place, [start, end]) => {
  const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  for (let node = walker.nextNode(), at = 0; node; at += node.data.length, node = walker.nextNode()) {
    if (start >= at && start < at + node.data.length) range.setStart(node, start - at);
    if (end > at && end <= at + node.data.length) range.setEnd(node, end - at);
  }
  place.scrollIntoView({ block: "center" });
  const { left, top, width, height } = range.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}"""

_CAPTURE = """async (samples) => {
  const audio = document.querySelector("audio");
  const context = new AudioContext({ sampleRate: 8000 });
  await context.resume();
  const source = context.createMediaElementSource(audio);
  const taker = context.createScriptProcessor(256, 2, 1);
  const taken = [];
  const done = new Promise((resolve) => {
    taker.onaudioprocess = (event) => {
      const piece = event.inputBuffer.getChannelData(1);
      if (!taken.length && piece.every((one) => one === 0)) return;
      taken.push(...piece);
      if (taken.length >= samples) resolve();
    };
  });
  source.connect(taker);
  taker.connect(context.destination);
  await audio.play();
  await done;
  audio.pause();
  return taken.slice(0, samples).map((one) => Math.round(32768 * one));
}"""
"""What Chromium plays of the second channel from its position on, from the first sound: at 8 kHz, 16 bit."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def keeping(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that keeps audio, with the call `heard`: the customer says four sentences, the agent nothing."""
    folder = tmp_path_factory.mktemp("keeping")
    async with stack(folder, keeps_audio=True) as running:
        running.engine.phrase, running.engine.word_samples = PHRASE, 4_000
        for name in ("heard", "gone"):
            await _call(running, name)
        yield running


SPOKEN = np.concatenate([part for line in LINES for part in (line, PAUSE)])


async def _call(running: Stack, call_id: str) -> None:
    start = {"call_id": call_id, "channels": ["agent", "customer"], "endpointing_ms": 300}
    both = np.stack([np.zeros_like(SPOKEN), SPOKEN], axis=1)
    async with calling(running.pipe.url, "", **start) as (bridge, heard):
        await stream(bridge, encode(both.reshape(-1), Encoding.MULAW), frame=320, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    async with http_client(base_url=running.url) as client:

        async def is_finished() -> bool:
            return (await client.head(f"/v1/calls/{call_id}/audio")).status_code == 200

        await until(is_finished)


async def _words(running: Stack, call_id: str) -> list[dict[str, object]]:
    async with http_client(base_url=running.url) as client:
        events = (await client.get(f"/v1/calls/{call_id}/events")).json()["events"]
    finals = [one for one in events if one["type"] == "segment.final" and one["text"]]
    found: list[dict[str, object]] = []
    for row, final in enumerate(finals):
        at = 0
        for word in final["words"]:
            found.append(
                {
                    "row": row,
                    "start": at,
                    "end": at + len(word["w"]),
                    "ms": word["s"],
                    "text": word["w"],
                }
            )
            at += len(word["w"]) + 1
    return found


async def test_a_click_on_a_word_plays_what_was_spoken_there(keeping: Stack, page: Page) -> None:
    """The sound that Chromium plays after the click, compared with the sound that the bridge sent."""
    ranges: list[Response] = []
    page.on("response", lambda one: ranges.append(one) if one.url.endswith("/audio") else None)
    await page.goto(f"{keeping.url}/calls/heard")
    await expect(page.get_by_role("button", name="Play")).to_be_visible()
    words = await _words(keeping, "heard")
    assert len(words) > 20

    for word in words[3::7]:
        place = page.locator(".segment.final .words").nth(int(str(word["row"])))
        x, y = await place.evaluate(_CENTRE, [word["start"], word["end"]])
        await page.mouse.click(x, y)
        now = float(await page.evaluate("document.querySelector('audio').currentTime"))
        assert abs(1_000 * now - float(str(word["ms"]))) < 2, word
        shown = await page.evaluate("[...CSS.highlights.get('playing')].map(String)")
        assert shown == [word["text"]]

    played = np.array(await page.evaluate(_CAPTURE, SECOND), np.int16)
    assert abs(_shift(played, now)) <= SECOND // 10
    assert {one.status for one in ranges} <= {200, 206}
    assert 206 in {one.status for one in ranges}


def _shift(played: Pcm, at: float) -> int:
    """How far, in samples, what was played is from what was sent at `at` seconds."""
    first = max(0, int(at * SECOND) - SECOND)
    sent = SPOKEN[first : first + 4 * SECOND].astype(float)
    fit = np.correlate(sent - sent.mean(), played.astype(float) - played.mean(), "valid")
    return first + int(np.argmax(fit)) - int(at * SECOND)


async def test_the_player_is_used_by_keyboard_and_follows_the_words(
    keeping: Stack, page: Page
) -> None:
    await page.goto(f"{keeping.url}/calls/heard")
    position = page.get_by_role("slider", name="Position in the audio")
    await expect(position).to_be_visible()
    found = await Axe().run(page)
    assert [one["id"] for one in found.response["violations"]] == []
    audio = "document.querySelector('audio')"

    await page.locator(".segment.final").nth(1).focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Pause")).to_be_visible()
    row = await page.locator(".segment.final").nth(1).get_attribute("data-key")
    await page.wait_for_function(
        "key => [...CSS.highlights.get('playing') ?? []].some((one) => one.startContainer.parentElement.closest('[data-key]')?.dataset.key === key)",
        arg=row,
    )
    await page.keyboard.press("p")
    await expect(page.get_by_role("button", name="Play")).to_be_visible()
    before = float(await page.evaluate(f"{audio}.currentTime"))
    await page.keyboard.press(".")
    assert abs(float(await page.evaluate(f"{audio}.currentTime")) - before - 5) < 0.01
    await page.keyboard.press(",")
    assert abs(float(await page.evaluate(f"{audio}.currentTime")) - before) < 0.01
    await position.focus()
    await page.keyboard.press("Home")
    assert float(await page.evaluate(f"{audio}.currentTime")) == 0
    await page.get_by_label("Speed").select_option("1.5")
    assert await page.evaluate(f"{audio}.playbackRate") == 1.5

    picture = page.get_by_role("slider", name="Position in the call")
    box = await picture.bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 28)
    half = float(await page.evaluate(f"{audio}.currentTime"))
    assert abs(half - len(SPOKEN) / SECOND / 2) < 0.5
    await expect(page.locator(".timeline-cursor")).to_be_visible()


async def test_a_deleted_call_cannot_be_played_and_a_call_without_audio_has_no_player(
    keeping: Stack, shared: Stack, page: Page
) -> None:
    await page.goto(f"{keeping.url}/calls/gone")
    await expect(page.get_by_role("button", name="Play")).to_be_visible()
    async with http_client(base_url=keeping.url) as client:
        assert (await client.delete("/v1/calls/gone")).status_code == 204
        assert (await client.get("/v1/calls/gone/audio")).status_code == 404

    async with shared.call("silent-film") as talk:
        await talk.say(0, "thank you for calling Acme")
        await talk.hang_up()
    await page.goto(f"{shared.url}/calls/silent-film")
    await expect(page.locator(".segment.final")).to_have_count(1)
    await expect(page.locator("[data-player]")).to_be_hidden()


async def test_a_player_appears_when_the_audio_of_a_call_is_ready(
    keeping: Stack, page: Page
) -> None:
    """The reader was there when the call ended: the timeline comes on request, the player with it."""
    await page.goto(f"{keeping.url}/calls/just-now")
    start = {"call_id": "just-now", "channels": ["agent", "customer"], "endpointing_ms": 300}
    both = np.stack([np.zeros_like(SPOKEN), SPOKEN], axis=1)[: 3 * SECOND]
    async with calling(keeping.pipe.url, "", **start) as (bridge, heard):
        await stream(bridge, encode(both.reshape(-1), Encoding.MULAW), frame=320, pace=20)
        await bridge.send('{"type":"stop"}')
        await heard.until("call.ended")
    await page.get_by_role("button", name="Show the timeline").click()

    await expect(page.get_by_role("button", name="Play")).to_be_visible()
    await expect(page.locator(".player .numbers")).to_have_text(re.compile(r"^0:00 / 0:03$"))
