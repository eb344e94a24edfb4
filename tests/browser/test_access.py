"""Who may see a call: login, tenants, tokens of embedded pages, and what the pages may load."""

import time

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext, Page, expect
from support.api import bearer
from support.http_client import http_client

from broker.redis_keys import PAGE_SECRET
from browser.reading import expect_all
from browser.stack import Guarded
from protocol.auth.credentials import Permit, Scope
from protocol.auth.sealed_permits import Use, seal

WORDS = "words of a call of acme"


async def test_a_reader_logs_in_once_and_the_key_stays_out_of_reach_of_scripts(
    guarded: Guarded, page: Page, context: BrowserContext
) -> None:
    await guarded.log_in(page, "/calls/c1", "tk_wrong")
    await expect(page.get_by_role("alert")).to_contain_text("not valid")
    assert (await Axe().run(page)).response["violations"] == []
    await page.get_by_label("Key", exact=True).fill(guarded.keys.acme_reader)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="This call has not begun")).to_be_visible()
    assert page.url.endswith("/calls/c1")

    (cookie,) = await context.cookies()
    seen = await page.evaluate(
        "[document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)]"
    )
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert guarded.keys.acme_reader not in f"{cookie['value']} {seen}"

    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert await context.cookies() == []


async def test_a_page_goes_only_to_its_own_server_after_login(guarded: Guarded, page: Page) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        await page.goto(f"{guarded.stack.url}/login")
        target = await page.evaluate(
            """async (next) => {
              const module = document.querySelector("script[type=module]").src.replace("login.js", "api.js");
              return (await import(module)).pageAfterLogin(`?next=${encodeURIComponent(next)}`);
            }""",
            elsewhere,
        )
        assert target == "/"


async def test_a_session_sees_the_calls_of_its_tenant_only(guarded: Guarded, page: Page) -> None:
    async with guarded.stack.call("c1", key=guarded.keys.acme_bridge) as talk:
        await talk.say(0, WORDS)
        await guarded.log_in(page, "/calls/c1", guarded.keys.globex)
        await expect(page.get_by_role("heading", name="This call has not begun")).to_be_visible()
        assert await page.locator(".segment").count() == 0
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        await guarded.log_in(page, "/calls/c1", guarded.keys.acme_reader)
        await expect_all(page, talk)
        await expect(page.get_by_label("New keyword")).to_be_hidden()
        await talk.hang_up()


async def test_an_embedded_page_shows_one_call_with_a_token_until_it_expires(
    guarded: Guarded, page: Page
) -> None:
    url, keys = guarded.stack.url, guarded.keys
    async with (
        guarded.stack.call("c2", key=keys.acme_bridge) as talk,
        http_client() as client,
    ):
        await talk.say(1, WORDS)
        path = "/v1/calls/c2/embed-tokens"
        issued = await client.post(f"{url}{path}", json={}, headers=bearer(keys.acme_reader))
        token = issued.json()["token"]
        others = [
            await client.get(f"{url}{path}", headers=bearer(token))
            for path in ("/v1/calls/c1/events", "/v1/calls", "/v1/calls/c2/keywords")
        ]
        stranger = await client.post(f"{url}{path}", json={}, headers=bearer(keys.globex))
        reissued = await client.post(f"{url}{path}", json={}, headers=bearer(token))

        await page.goto(f"{url}{issued.json()['path']}")
        await expect_all(page, talk)
        await talk.say(0, WORDS)
        await expect_all(page, talk)
        assert "token" not in page.url
        await talk.hang_up()

        await page.goto("about:blank")
        await page.goto(f"{url}/embed/c2#token={await _expired(guarded, 'c2')}")
        await expect(page.get_by_role("heading", name="The access has expired")).to_be_visible()

    assert [one.status_code for one in others] == [403, 200, 200]
    assert {call["call_id"] for call in others[1].json()["calls"]} == {"c2"}
    assert (stranger.status_code, reissued.status_code) == (404, 403)


async def test_the_custom_element_shows_a_call_and_tells_its_page_the_finals(
    guarded: Guarded, page: Page
) -> None:
    url, keys = guarded.stack.url, guarded.keys
    async with (
        guarded.stack.call("c3", key=keys.acme_bridge) as talk,
        http_client() as client,
    ):
        await talk.say(1, WORDS)
        issued = await client.post(
            f"{url}/v1/calls/c3/embed-tokens", json={}, headers=bearer(keys.acme_reader)
        )
        await page.goto(f"{url}/login")
        await page.add_script_tag(url=f"{url}/trunkline-captions.js")
        await page.evaluate(
            """([server, token]) => {
              window.finals = [];
              const element = document.createElement("trunkline-captions");
              element.addEventListener("trunkline-final", (event) => window.finals.push(event.detail.text));
              for (const [name, value] of Object.entries({ server, call: "c3", token })) element.setAttribute(name, value);
              document.body.replaceChildren(element);
            }""",
            [url, issued.json()["token"]],
        )
        await expect_all(page, talk)
        await talk.say(0, WORDS)
        await expect_all(page, talk)
        await talk.hang_up()

    assert await page.evaluate("window.finals") == [WORDS, WORDS]


async def _expired(guarded: Guarded, call_id: str) -> str:
    """Return a token that was valid until a second ago."""
    secret = await guarded.stack.redis.get(PAGE_SECRET)
    name = f"key:{guarded.keys.acme_reader.split('_')[1]}"
    permit = Permit(name, "acme", frozenset({Scope.READ}), call_id)
    assert isinstance(secret, bytes)
    return seal([secret], Use.EMBED, permit, time.time() - 1)


async def test_pages_load_nothing_from_elsewhere_and_only_listed_sites_may_frame_a_call(
    guarded: Guarded,
) -> None:
    async with http_client(base_url=guarded.stack.url) as client:
        call, embed = await client.get("/calls/x"), await client.get("/embed/x")
        again = await client.get("/calls/x", headers={"if-none-match": call.headers["etag"]})
        script = call.text.partition('src="')[2].partition('"')[0]
        static = await client.get(script)

    policy = call.headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'"
    )
    assert policy.endswith("frame-ancestors 'none'")
    assert embed.headers["content-security-policy"].endswith(
        "frame-ancestors 'self' https://crm.example.com"
    )
    assert call.headers["x-content-type-options"] == "nosniff"
    assert again.status_code == 304
    assert "immutable" in static.headers["cache-control"]
