"""What happens around a call: restarts of the API, of Valkey, of a gateway.  The page misses and doubles nothing."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from support.pipeline import gateway

from browser.reading import expect_all, said
from browser.stack import Stack, Talk, stack
from streaming.settings import GatewaySettings

FIRST, SECOND, THIRD = "good morning this is Ann", "I have lost my card", "please wait a moment"


async def test_after_a_restart_of_the_api_and_of_valkey_the_page_goes_on(
    tmp_path: Path, page: Page
) -> None:
    async with stack(tmp_path) as it, it.call("restarts") as talk:
        await page.goto(f"{it.url}/calls/restarts")
        await talk.say(0, FIRST)
        await expect_all(page, talk)

        await it.stop_api()
        await expect(page.get_by_text("Disconnected since")).to_be_visible()
        await talk.say(1, SECOND)
        await it.start_api()
        await expect_all(page, talk)
        await expect(page.get_by_text("Disconnected since")).to_be_hidden()

        it.valkey.kill()
        it.valkey.start()
        await talk.say(0, THIRD)
        await expect_all(page, talk)
        await talk.hang_up()
        await expect(page.locator("[data-status]")).to_have_text("Ended")
        await page.reload()
        await expect_all(page, talk)

    assert [text for _, text in said(talk)] == [FIRST, SECOND, THIRD]


async def test_a_call_that_changes_its_gateway_stays_one_call_on_the_page(
    shared: Stack, page: Page
) -> None:
    async with AsyncExitStack() as first:
        settings = GatewaySettings(drain_seconds=0, vad="webrtc")
        other = await first.enter_async_context(gateway(shared.redis, settings))
        async with shared.call("moves", gateway=other, resumable=True) as old:
            await page.goto(f"{shared.url}/calls/moves")
            await old.say(0, FIRST)
            await first.aclose()
        ready = old.heard.of("ready")[0]
        async with shared.call("moves", resumable=True, token=ready["token"]) as talk:
            before = _continued(old, talk)
            await talk.say(1, SECOND)
            await expect_all(page, talk)
            await talk.hang_up()

    assert before == [FIRST]
    assert [text for _, text in said(talk)] == [FIRST, SECOND]


def _continued(old: Talk, talk: Talk) -> list[str]:
    """Give the finals of the older connection to the newer one, whose gateway does not repeat them."""
    finals = old.heard.of("segment.final")
    talk.heard.events[:0] = finals
    talk.finals = len(finals)
    return [one["text"] for one in finals]


@pytest.mark.parametrize("events", [3_000])
async def test_a_call_of_four_hours_opens_with_few_rows_laid_out(
    shared: Stack, page: Page, events: int
) -> None:
    """The browser skips the layout of blocks that are far from the screen."""
    async with shared.call("long") as talk:
        await talk.say(0, FIRST)
        await page.goto(f"{shared.url}/calls/long")
        await expect_all(page, talk)
        skipped = await page.evaluate(
            """async (count) => {
              const { Transcript } = await import(document.querySelector("script[type=module]").src.replace("call.js", "transcript.js"));
              const { CaptionsView } = await import(document.querySelector("script[type=module]").src.replace("call.js", "captions-view.js"));
              const transcript = new Transcript();
              const place = document.querySelector(".captions").cloneNode();
              document.querySelector(".captions").replaceWith(place);
              const view = new CaptionsView(place, transcript);
              const final = (number) => ({ type: "segment.final", segment_id: `0-${number}`, channel: 0, role: "agent",
                start_ms: number * 5000, end_ms: number * 5000 + 4000, text: "these are the words of one segment", words: [] });
              view.apply(Array.from({ length: count }, (_, number) => final(number)).flatMap((one) => transcript.apply(one)));
              await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)));
              const rows = [...place.querySelectorAll(".row-of-call")];
              const seen = rows.filter((row) => row.checkVisibility({ contentVisibilityAuto: true })).length;
              return { rows: rows.length, seen, atEnd: place.scrollHeight - place.clientHeight - place.scrollTop };
            }""",
            events,
        )
        await talk.hang_up()

    assert skipped["rows"] == events
    assert 0 < skipped["seen"] <= 200
    assert skipped["atEnd"] <= 48
