"""TLS by files that are renewed while the gateway runs, and clients known by their certificate."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.certificates import CertificateAuthority, authority
from support.credentials import bearer, site
from support.pipeline import gateway
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage, InvalidStatus

from broker.http.certificates import CertificateError, Certificates
from streaming.settings import GatewaySettings


@pytest.fixture
def ca() -> CertificateAuthority:
    return authority("the site's CA")


@pytest.fixture
async def url(redis: Redis, tmp_path: Path, ca: CertificateAuthority) -> AsyncIterator[str]:
    certificate, key = ca.issue(tmp_path, "gateway")
    settings = GatewaySettings(
        keys_file=str(site(tmp_path).file),
        tls_certificate=str(certificate),
        tls_key=str(key),
        tls_client_ca=str(ca.own(tmp_path)),
        drain_seconds=0,
    )
    async with gateway(redis, settings) as address:
        yield address.replace("ws://127.0.0.1", "wss://localhost")


def client(
    folder: Path, ca: CertificateAuthority, shows: tuple[Path, Path] | None = None
) -> ssl.SSLContext:
    """A client that believes the CA, and shows a certificate if it has one."""
    context = ssl.create_default_context(cafile=str(ca.own(folder)))
    if shows is not None:
        context.load_cert_chain(*shows)
    return context


async def test_a_client_certificate_counts_as_a_key(
    url: str, tmp_path: Path, ca: CertificateAuthority
) -> None:
    context = client(tmp_path, ca, ca.issue(tmp_path, "pbx.acme.example"))

    async with connect(f"{url}/v1/calls", ssl=context) as bridge:
        assert bridge.response is not None
        assert bridge.response.status_code == 101


async def test_without_a_certificate_a_key_is_asked_for(
    url: str, tmp_path: Path, ca: CertificateAuthority
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{url}/v1/calls", ssl=client(tmp_path, ca))
    key = site(tmp_path / "again").globex

    with pytest.raises(InvalidStatus) as other_site:
        await connect(f"{url}/v1/calls", ssl=client(tmp_path, ca), additional_headers=bearer(key))

    assert refused.value.response.status_code == 401
    assert other_site.value.response.status_code == 401


async def test_a_certificate_of_an_unknown_name_opens_nothing(
    url: str, tmp_path: Path, ca: CertificateAuthority
) -> None:
    context = client(tmp_path, ca, ca.issue(tmp_path, "pbx.evil.example"))

    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{url}/v1/calls", ssl=context)

    assert refused.value.response.status_code == 401


async def test_certificates_that_tls_does_not_believe_open_nothing(
    url: str, tmp_path: Path, ca: CertificateAuthority
) -> None:
    expired = ca.issue(tmp_path, "pbx.acme.example", days=-1)
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    forged = authority("the site's CA").issue(strangers, "pbx.acme.example")

    for shown in (expired, forged):
        with pytest.raises((ssl.SSLError, OSError, InvalidMessage)):
            await connect(f"{url}/v1/calls", ssl=client(tmp_path, ca, shown))


def test_a_renewed_certificate_is_taken_up_and_a_broken_one_left(
    tmp_path: Path, ca: CertificateAuthority
) -> None:
    certificate, key = ca.issue(tmp_path, "gateway")
    certificates = Certificates(certificate, key)

    key.write_text("not a key")
    certificates.renew()
    still = handshake(certificates.context, client(tmp_path, ca))
    certificate.unlink()
    key.unlink()
    ca.issue(tmp_path, "gateway")
    certificates.renew()

    assert handshake(certificates.context, client(tmp_path, ca)) != still


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """The certificate that a client is shown now."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (theirs, ours, theirs, ours):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return theirs.getpeercert(binary_form=True)


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text("x")

    with pytest.raises(CertificateError, match=r"c\.pem"):
        Certificates(tmp_path / "c.pem", tmp_path / "c.pem")
