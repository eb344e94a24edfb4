"""The summary beside the transcript of a call."""

import os
from pathlib import Path

from playwright.async_api import Page, expect

from browser.stack import Stack, stored
from transcripts.analysis.values import Answered, Coverage

MARKUP = "wants <b>money</b> back <img src=x onerror=alert(1)>"
ANSWER = {
    "summary": f"The customer disputes an invoice and {MARKUP}.",
    "disposition": "follow_up",
    "action_items": [{"text": "Send the corrected invoice", "owner": "agent"}],
    "answers": {"refund": True, "order_number": None, "mood": "annoyed"},
}


async def test_the_page_of_a_call_shows_its_summary_and_answers_as_text(
    shared: Stack, page: Page
) -> None:
    async with shared.call("summed-up") as talk:
        await talk.say(1, "hello my invoice is wrong please")
        await page.goto(f"{shared.url}/calls/summed-up")
        await expect(page.locator("[data-analysis]")).to_be_hidden()
        await talk.hang_up()
    await stored(shared, "summed-up")
    analyses = shared.pipe.store.analyses
    analyses.ask_again("summed-up")
    (job,) = analyses.claim(lambda jobs, _: jobs)
    analyses.done(job, Answered(ANSWER, "small-1", "v1", Coverage(9, 4, 2)))

    panel = page.locator("[data-analysis]")
    await expect(panel).to_contain_text(str(ANSWER["summary"]))
    await expect(panel).to_contain_text("Send the corrected invoice · agent")
    for shown in ("Follow up", "Refund", "Yes", "Order number", "Not said", "4 of 9 segments"):
        await expect(panel).to_contain_text(shown)
    assert await panel.locator("b, img").count() == 0
    if folder := os.environ.get("TRUNKLINE_TEST_PICTURES"):
        await page.screenshot(path=Path(folder) / "analysis.png", full_page=True)
