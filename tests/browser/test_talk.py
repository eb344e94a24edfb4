"""Talk to it: the microphone of a visitor as a call, with the fake audio capture of Chromium."""

import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Page, WebSocket, async_playwright, expect
from support.api import bearer

from browser.conftest import ARGUMENTS, PATIENCE_MS, program
from browser.reading import harms
from browser.stack import PROMPT, Guarded, Stack
from cli.recording import read_recording
from protocol.audio import Encoding, Pcm, decode
from protocol.clock import CALL_RATE

RATE = 48_000


def written(file: Path, wave_: Pcm) -> Path:
    """Write a WAV file at 48 kHz, for the microphone of the browser."""
    with wave.open(str(file), "wb") as made:
        made.setparams((1, 2, RATE, 0, "NONE", ""))
        made.writeframes(wave_.tobytes())
    return file


def tones() -> Pcm:
    """A tone of 1 kHz, which a telephone carries, and one of 6 kHz, which it does not: 8 kHz would fold it to 2."""
    at = np.arange(4 * RATE) / RATE
    return np.round(6_000 * (np.sin(2_000 * np.pi * at) + np.sin(12_000 * np.pi * at))).astype(
        np.int16
    )


@dataclass
class Sent:
    """What a page sends over its WebSockets."""

    urls: list[str] = field(default_factory=list)
    texts: list[dict[str, object]] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Take what `page` sends from now on."""
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        self.urls.append(socket.url)
        socket.on("framesent", self._take)

    def _take(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.frames.append(payload)
        else:
            self.texts.append(json.loads(payload))


@asynccontextmanager
async def speaking(microphone: Path) -> AsyncIterator[Page]:
    """A browser whose microphone plays a file."""
    arguments = (
        *ARGUMENTS,
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program(), args=arguments)
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        yield page
        await browser.close()


async def test_with_keys_an_administrator_talks_with_a_key_that_is_made_for_the_call(
    guarded: Guarded, tmp_path: Path
) -> None:
    spoken = read_recording(PROMPT)
    loud = np.repeat(spoken.channels[0], RATE // CALL_RATE)
    sent = Sent()
    async with speaking(written(tmp_path / "microphone.wav", loud)) as page:
        sent.watch(page)
        guarded.stack.engine.phrase = "this is the microphone"
        await guarded.log_in(page, "/talk", guarded.admin)
        await page.get_by_role("button", name="Start the call").wait_for()
        await expect(page.get_by_label("Key with the scope ingest")).to_be_hidden()
        assert await harms(page) == []
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.locator(".lines li").first).to_contain_text("this is")
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_text("The call is over")).to_be_visible()
        path = await page.locator("[data-page]").get_attribute("href")
    call_id = (path or "").rpartition("/")[2]
    async with guarded.client() as client:
        answer = await client.get(f"/v1/calls/{call_id}/events", headers=bearer(guarded.admin))
    events = answer.json()["events"]

    started = next(one for one in events if one["type"] == "call.started")
    assert (started["roles"], started["encoding"], started["sample_rate"]) == (
        ["customer"],
        "mulaw",
        8_000,
    )
    assert any(one["type"] == "segment.final" for one in events)
    assert not any("tk_" in url for url in sent.urls)


@pytest.mark.long
async def test_a_reader_talks_with_a_key_that_permits_calls(
    guarded: Guarded, tmp_path: Path
) -> None:
    async with speaking(written(tmp_path / "microphone.wav", tones())) as page:
        await guarded.log_in(page, "/talk", guarded.keys.acme_reader)
        await page.get_by_text("Options").click()
        field = page.get_by_label("Key with the scope ingest")
        await field.fill(guarded.keys.expired)
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.get_by_role("alert")).to_contain_text("did not accept the call")
        await field.fill(guarded.keys.acme_bridge)
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.locator("[data-status]")).to_have_text("In a call")
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_text("The call is over")).to_be_visible()


async def test_the_microphone_is_sent_as_a_telephone_would_carry_it(
    shared: Stack, tmp_path: Path
) -> None:
    sent = Sent()
    async with speaking(written(tmp_path / "tones.wav", tones())) as page:
        sent.watch(page)
        await page.goto(f"{shared.url}/talk")
        await page.get_by_role("button", name="Start the call").click()
        await expect(page.locator("[data-status]")).to_have_text("In a call")
        while len(sent.frames) < 150:
            await page.wait_for_timeout(50)
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_text("The call is over")).to_be_visible()

    (start, *_) = sent.texts
    assert (start["encoding"], start["sample_rate"], start["channels"]) == (
        "mulaw",
        8_000,
        ["customer"],
    )
    assert {len(frame) for frame in sent.frames} == {160}  # 20 ms
    pcm = decode(b"".join(sent.frames[50:146]), Encoding.MULAW)
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) + 1)
    per_hz = len(pcm) / 8_000
    assert round(int(spectrum.argmax()) / per_hz) == 1_000
    folded = spectrum[int(1_900 * per_hz) : int(2_100 * per_hz)].max()
    assert spectrum.max() - folded > 30
