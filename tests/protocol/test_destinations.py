"""A client cannot make the gateway send requests into the network of the site."""

from ipaddress import ip_address

import pytest

from protocol.outgoing.destinations import DestinationError, Destinations, read_networks

SITE = Destinations(read_networks(["10.1.0.0/16", "192.0.2.7", "fd00::/64"]))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00:ec2::254",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::",
        "2001:0:7f00:1::", "64:ff9b:1::7f00:1", "::127.0.0.1", "::a00:1", "fec0::1",
    ],
)  # fmt: skip
def test_only_public_addresses_are_permitted(address: str) -> None:
    for destinations in (Destinations(), SITE):
        with pytest.raises(DestinationError):
            destinations.check_address(ip_address(address), secure=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_a_public_address_needs_tls(address: str) -> None:
    Destinations().check_address(ip_address(address), secure=True)
    with pytest.raises(DestinationError, match="use https"):
        SITE.check_address(ip_address(address), secure=False)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.0.2.7", "fd00::5", "::ffff:10.1.2.3"])
def test_a_listed_network_is_permitted_without_tls(address: str) -> None:
    SITE.check_address(ip_address(address), secure=False)


@pytest.mark.parametrize(
    "url",
    [
        "", "nonsense", "ftp://example.com/", "file:///etc/passwd", "http://example.com/",
        "https://", "https://user:pass@example.com/", "https://example.com/#part",
        "https://example.com/a b", "https://exämple.com/", "https://example.com/" + "a" * 2_000,
        "https://169.254.169.254/latest/", "https://example.com/\r\nx: y",
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str) -> None:
    with pytest.raises(DestinationError):
        Destinations().check_url(url)


def test_other_urls_are_checked_when_their_name_is_resolved() -> None:
    Destinations().check_url("https://example.com:8443/hook?token=a")
    SITE.check_url("http://internal.example/hook")
