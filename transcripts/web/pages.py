"""The endpoints of the web pages and of their files, with the headers that confine what a page may do."""

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from broker.http.middleware import Endpoint
from protocol.auth.http_routes import Route

from .assets import Asset, Assets

TALK = "/talk"
"""The page that sends a call: it may connect to the gateway and use the microphone."""

PAGES = {
    "/login": "login.html",
    "/calls/{call_id}": "call.html",
    "/": "live.html",
    "/finished": "finished.html",
    "/health": "health.html",
    "/connect": "connect.html",
    "/webhooks": "webhooks.html",
    TALK: "talk.html",
}
"""Path of each page, and its file in `html/`.  The same HTML is served for every call: it contains none."""

EMBEDDED = {"/embed/{call_id}": "embed.html"}
"""Pages that other sites may show in a frame, if the settings list them."""

ELEMENT = "/trunkline-captions.js"
"""The custom element for other sites: the modules of `_ELEMENT_PARTS` as one file."""

_ELEMENT_PARTS = (
    "text.js",
    "api.js",
    "event-stream.js",
    "events.js",
    "transcript.js",
    "row.js",
    "captions-view.js",
    "captions-element.js",
)
_ELEMENT_STYLES = ("tokens.css", "captions.css")
_MODULE_SYNTAX = re.compile(
    r"^import [^;]*;\n|^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE
)

_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors {parents}"
"""https://www.w3.org/TR/CSP3/: nothing from elsewhere, no inline script, no inline style."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_FOREVER = "public, max-age=31536000, immutable"

Answer = Callable[[Request], Awaitable[Response]]


def page_endpoints(parents: Sequence[str] = (), gateway_url: str = "") -> list[Endpoint]:
    """
    Return the endpoints of all pages.

    `parents`: origins whose pages may show `/embed/` in a frame.  `gateway_url`: where a call from a page is sent;
    empty: to port 8080 of the host of the page.
    """
    assets = Assets.load()
    allowed = " ".join(("'self'", *parents))
    return [
        *(_page(path, assets.html[name], "'none'", gateway_url) for path, name in PAGES.items()),
        *(_page(path, assets.html[name], allowed) for path, name in EMBEDDED.items()),
        *(_static(path, asset) for path, asset in assets.static.items()),
        _element(assets),
    ]


def _page(path: str, html: str, parents: str, gateway_url: str = "") -> Endpoint:
    policy = _POLICY.format(parents=parents)
    if path == TALK:
        policy += f"; connect-src 'self' {_gateway_sources(gateway_url)}"
    sensors = "microphone=(self)" if path == TALK else "microphone=()"
    headers = _HEADERS | {"content-security-policy": policy, "permissions-policy": sensors}
    asset = Asset(html.encode(), "text/html; charset=utf-8")
    return Endpoint(Route(path.removesuffix("/"), None), _answer(asset, "no-cache", headers))


def _gateway_sources(gateway_url: str) -> str:
    """Return the sources of the gateway for `connect-src`."""
    parts = urlsplit(gateway_url)
    if parts.scheme in ("ws", "wss") and parts.netloc and parts.hostname not in ("0.0.0.0", "::"):  # noqa: S104
        return f"{parts.scheme}://{parts.netloc}"
    return f"ws://*:{parts.port or 8080} wss://*:{parts.port or 8080}"


def _static(path: str, asset: Asset) -> Endpoint:
    return Endpoint(Route(path, None), _answer(asset, _FOREVER, _HEADERS))


def _element(assets: Assets) -> Endpoint:
    """One file, because other sites load it by one URL.  Modules are joined without their imports and exports."""
    styles = "".join(assets.text(f"css/{name}") for name in _ELEMENT_STYLES)
    modules = [_MODULE_SYNTAX.sub("", assets.text(f"js/{name}")) for name in _ELEMENT_PARTS]
    constant = f"const CAPTIONS_CSS = {json.dumps(styles)};\n"
    joined = '(() => {\n"use strict";\n' + constant + "\n".join(modules) + "})();\n"
    asset = Asset(joined.encode(), "text/javascript; charset=utf-8")
    return Endpoint(Route(ELEMENT, None), _answer(asset, "no-cache", _HEADERS))


def _answer(asset: Asset, caching: str, headers: dict[str, str]) -> Answer:
    all_headers = headers | {"cache-control": caching, "etag": asset.etag}

    async def answer(request: Request) -> Response:
        known = request.headers.get("if-none-match", "")
        if asset.etag in (one.strip() for one in known.split(",")):
            return Response(status_code=304, headers=all_headers)
        return Response(asset.content, 200, all_headers, asset.media)

    return answer
