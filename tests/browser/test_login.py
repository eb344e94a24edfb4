"""The login page."""

from playwright.async_api import Page, expect

from browser.stack import Stack


async def test_without_keys_the_pages_need_no_login(shared: Stack, page: Page) -> None:
    await page.goto(f"{shared.url}/calls/nobody")

    await expect(page.get_by_role("heading", name="This call has not begun")).to_be_visible()
