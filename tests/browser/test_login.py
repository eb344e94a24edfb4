"""The login page."""

import asyncio

from playwright.async_api import Page, Route, expect

from browser.stack import Guarded, Stack


async def test_without_keys_the_pages_need_no_login(shared: Stack, page: Page) -> None:
    await page.goto(f"{shared.url}/calls/nobody")

    await expect(page.get_by_role("heading", name="This call has not begun")).to_be_visible()


async def test_the_key_is_not_sent_before_the_page_can_take_it(
    guarded: Guarded, page: Page
) -> None:
    """The browser would send the form itself, and show an error of the server."""
    filled = asyncio.Event()

    async def late(route: Route) -> None:
        await filled.wait()
        await route.continue_()

    await page.route("**/js/login.js", late)
    await page.goto(f"{guarded.stack.url}/login?next=%2F", wait_until="commit")
    await page.get_by_label("Key", exact=True).fill(guarded.admin)
    button = page.get_by_role("button", name="Log in")
    await expect(button).to_be_disabled()
    filled.set()
    await button.click()

    await expect(page).to_have_url(f"{guarded.stack.url}/")
