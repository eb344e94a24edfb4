"""Origins and host names that a port accepts, as a table."""

from http import HTTPStatus

import pytest

from protocol.auth.web_access import (
    WebAccess,
    bound_hosts,
    is_loopback,
    read_authority,
    read_hosts,
    read_origin,
    read_origins,
)

OWN_HOST = "localhost:8080"
EVIL = "https://evil.example"
HOSTS = read_hosts(["calls.example.com"])
ORIGINS = read_origins(["https://app.example.com"])
KEYLESS = WebAccess(HOSTS, ORIGINS, strict=True)
KEYED = WebAccess(HOSTS, ORIGINS, strict=False)


def answers(
    access: WebAccess,
    host: str | None = OWN_HOST,
    origin: str | None = None,
    *,
    secure: bool = False,
    **more: str,
) -> bool:
    headers = [("host", host)] if host is not None else []
    headers += [("origin", origin)] if origin is not None else []
    headers += [(name.replace("_", "-"), value) for name, value in more.items()]
    return access.check(headers, "10.1.2.3", secure=secure) is None


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8080", "LOCALHOST:8080", "localhost.", "localhost.:8080",
        "127.0.0.1:8080", "127.0.0.2", "[::1]:8080", "[::ffff:127.0.0.1]:8080", "10.1.2.3:8080",
        "calls.example.com", "Calls.Example.COM:443", "calls.example.com.",
    ],
)  # fmt: skip
def test_names_of_the_gateway_are_answered(host: str) -> None:
    assert answers(KEYLESS, host)
    assert answers(KEYED, host)


@pytest.mark.parametrize(
    "host",
    [
        "rebind.evil.example", "rebind.evil.example:8080", "localhost.evil.example", "evillocalhost",
        "sub.localhost", "calls.example.com.evil.example", "127.0.0.1.evil.example", "10.9.9.9:8080",
        "0.0.0.0:8080", "[2001:db8::1]", "2130706433", "0x7f.1", "127.1",
    ],
)  # fmt: skip
def test_other_names_are_answered_only_where_a_key_is_needed_and_no_page_asks(host: str) -> None:
    assert not answers(KEYLESS, host)
    assert answers(KEYED, host)
    assert not answers(KEYED, host, EVIL)
    assert not answers(KEYED, host, f"http://{host}")


@pytest.mark.parametrize(
    "host",
    [
        None, "", " ", "localhost:", "localhost:0", "localhost:99999", "localhost:80:80", "a@localhost",
        "localhost@evil.example", "localhost/", "localhost,evil.example", "localhost evil", "[::1", "::1",
        "[fe80::1%25eth0]", "local\u017fhost", "localhost..", "http://localhost", "\x00localhost", "localhost\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("access", [KEYLESS, KEYED], ids=["keyless", "keyed"])
def test_what_is_no_host_is_a_bad_request(access: WebAccess, host: str | None) -> None:
    headers = [] if host is None else [("host", host)]
    refusal = access.check(headers, "127.0.0.1", secure=False)

    assert refusal is not None
    assert refusal.status is HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("host", "origin", "secure"),
    [
        (OWN_HOST, "http://localhost:8080", False),
        (OWN_HOST, "HTTP://LocalHost:8080", False),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080", False),
        ("[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080", False),
        ("localhost", "http://localhost", False),
        ("localhost", "http://localhost:80", False),
        ("localhost:443", "https://localhost", True),
        ("localhost.:8080", "http://localhost:8080", False),
        (OWN_HOST, "https://app.example.com", False),
        (OWN_HOST, "https://app.example.com:443", False),
    ],
)
def test_the_own_origin_and_allowed_ones_may(host: str, origin: str, secure: bool) -> None:
    assert answers(KEYLESS, host, origin, secure=secure)
    assert answers(KEYED, host, origin, secure=secure)


@pytest.mark.parametrize(
    "origin",
    [
        EVIL, "null", "", "http://localhost.evil.example:8080", "http://evil.example/localhost:8080",
        "http://localhost:8080@evil.example", "http://evil.example http://localhost:8080",
        "http://localhost:8080/", "http://localhost:8080, http://evil.example", "http://localhost:8081",
        "http://app.example.com", "https://app.example.com.evil.example", "https://app.example.com:8443",
        "https://xapp.example.com", "file://", "http://127.0.0.1:8080", "localhost:8080", "//localhost:8080",
        "http://localhost:8080\\@evil.example", "http://[::1]:8080", "chrome-extension://abcdef",
    ],
)  # fmt: skip
@pytest.mark.parametrize("access", [KEYLESS, KEYED], ids=["keyless", "keyed"])
def test_other_pages_may_not(access: WebAccess, origin: str) -> None:
    refusal = access.check([("host", OWN_HOST), ("origin", origin)], "127.0.0.1", secure=False)

    assert refusal is not None
    assert (refusal.status, refusal.reason) == (HTTPStatus.FORBIDDEN, "origin")


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost:8080"])
def test_an_own_origin_without_port_or_of_another_scheme_needs_a_key(origin: str) -> None:
    """libwebsockets sends `http://NAME` for every connection, FreeSWITCH and jambonz with it."""
    assert not answers(KEYLESS, OWN_HOST, origin)
    assert answers(KEYED, OWN_HOST, origin)


@pytest.mark.parametrize("access", [KEYLESS, KEYED], ids=["keyless", "keyed"])
@pytest.mark.parametrize(
    "twice", [("host", "localhost"), ("origin", "http://localhost:8080"), ("origin", EVIL)]
)
def test_what_comes_twice_is_refused(access: WebAccess, twice: tuple[str, str]) -> None:
    headers = [("host", OWN_HOST), ("origin", "http://localhost:8080"), twice]

    assert access.check(headers, "127.0.0.1", secure=False) is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site"])
def test_what_other_pages_embed_is_refused_without_an_origin_too(site: str) -> None:
    assert not answers(KEYLESS, sec_fetch_site=site)
    assert not answers(KEYLESS, sec_fetch_site=site, sec_fetch_mode="no-cors")
    assert answers(KEYLESS, sec_fetch_site=site, sec_fetch_mode="navigate")
    assert answers(KEYLESS, sec_fetch_site="same-origin")
    assert answers(KEYLESS, sec_fetch_site="none")


def test_an_allowed_page_may_use_a_keyed_gateway_under_any_name() -> None:
    assert answers(KEYED, "10.9.9.9:8080", "https://app.example.com")
    assert not answers(KEYLESS, "10.9.9.9:8080", "https://app.example.com")


@pytest.mark.parametrize("text", ["*", "null", "app.example.com", "https://app.example.com/x"])
def test_a_setting_that_is_no_origin_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        read_origins([text])


def test_a_setting_that_is_no_host_is_named() -> None:
    with pytest.raises(ValueError, match="not a host name"):
        read_hosts(["https://calls.example.com"])


def test_spellings_of_one_origin_are_one() -> None:
    spelled = {str(read_origin(text)) for text in ("HTTPS://A.example:443", "wss://a.example.")}

    assert spelled == {"https://a.example"}
    assert str(read_origin("http://[::1]:81")) == "http://[::1]:81"


def test_unspecified_addresses_are_no_names() -> None:
    assert bound_hosts("0.0.0.0", "::", "", "::1", "gw.example") == {"::1", "gw.example"}
    assert read_authority("[::1]:80") == read_authority("[0::1]:80")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.9.9.9"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)
    assert not is_loopback(f"{host}.example")
