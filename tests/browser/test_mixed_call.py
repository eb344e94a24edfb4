"""The page of a call that came in one channel, whose speakers are told apart."""

from dataclasses import replace

from playwright.async_api import Page, expect
from support.call_records import ended, final, started

from browser.stack import Stack
from protocol.calls.call import Role
from protocol.events import ChannelTotals, LoggedEvent, SegmentRevised, Word
from protocol.events.event_codec import entry_of
from transcripts.outbox import Recorded


async def test_each_turn_of_a_mixed_channel_has_the_name_of_its_speaker(
    shared: Stack, page: Page
) -> None:
    words = (
        *(Word("Good", 0, 800, 0.9, 0), Word("day.", 800, 1_600, 0.9, 0)),
        *(Word("Hello,", 1_600, 2_400, 0.9, 1), Word("Acme.", 2_400, 3_200, 0.9, 1)),
    )
    said = [
        replace(final("", number=0), words=words, keywords_found=("Acme",)),
        final("Mhm", number=1),
    ]
    end = replace(ended(), channels=(ChannelTotals(),))
    events: list[LoggedEvent] = [replace(started(), roles=(Role.MIXED,)), *said, end]
    shared.pipe.store.record(
        [Recorded("mono", entry_of(event, seq)) for seq, event in enumerate(events, 1)]
    )

    await page.goto(f"{shared.url}/calls/mono")

    turns = page.locator(".segment.final .turn")
    await expect(turns).to_have_text(["Good day. ", "Hello, Acme."])
    names = [await turns.nth(place).get_attribute("data-speaker") for place in range(2)]
    assert names == ["Speaker 1", "Speaker 2"]
    shown = await turns.nth(1).evaluate("turn => getComputedStyle(turn, '::before').content")
    assert shown == '"Speaker 2"'
    await expect(page.locator(".segment mark")).to_have_text("Acme")
    await expect(page.locator(".segment.final").nth(1).locator(".turn")).to_have_count(0)


async def test_speakers_whose_roles_are_known_have_their_names_also_if_they_come_later(
    shared: Stack, page: Page
) -> None:
    """A revision that only adds roles has taken out no number, and does not say so."""
    words = (Word("Good", 0, 800, 0.9, 0), Word("Hello.", 1_600, 2_400, 0.9, 1))
    in_roles = tuple(
        replace(word, role=role)
        for word, role in zip(words, (Role.AGENT, Role.CUSTOMER), strict=True)
    )
    said = replace(final("", number=0), words=words)
    revised = SegmentRevised(replace(said, words=in_roles))
    end = replace(ended(), channels=(ChannelTotals(),))
    events: list[LoggedEvent] = [replace(started(), roles=(Role.MIXED,)), said, revised, end]
    shared.pipe.store.record(
        [Recorded("roles", entry_of(event, seq)) for seq, event in enumerate(events, 1)]
    )

    await page.goto(f"{shared.url}/calls/roles")

    turns = page.locator(".segment.final .turn")
    await expect(turns).to_have_count(2)
    names = [await turns.nth(place).get_attribute("data-speaker") for place in range(2)]
    assert names == ["Agent", "Customer"]
    await expect(page.locator(".segment .chip")).to_have_count(0)
