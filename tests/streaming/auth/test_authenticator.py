"""Authenticator: signatures, replays, rates, ambiguous credentials; and the limits of a call."""

import base64
import hashlib
import hmac
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.credentials import AUDIOHOOK_SECRET, PUBLIC_URL, TWILIO_TOKEN, keyring, site

from broker.usage.shared_limits import shared_limits
from protocol.auth.authenticator import STRANGER, Authenticator, Refusal
from protocol.auth.credentials import EVERYTHING, Keyring, Permit, Scope
from protocol.auth.request_credentials import RequestCredentials
from protocol.auth.signatures import twilio_signature
from protocol.auth.token_bucket import TokenBucket
from streaming.auth.access_control import AccessController
from streaming.auth.call_limits import IDLE, TOO_FAST, TOO_LONG, CallLimits, LimitWatch
from streaming.settings import GatewaySettings

NOW = 1_800_000_000.0


def authenticator(public_url: str = PUBLIC_URL, rate: float = 1_000.0) -> Authenticator:
    return Authenticator(keyring(), public_url, rate)


def result(
    one: Authenticator, credentials: RequestCredentials, now: float = NOW
) -> Permit | Refusal:
    return one.authenticate(credentials, Scope.INGEST, now)


# Twilio


def from_twilio(
    url: str = f"{PUBLIC_URL}/twilio", secret: str = TWILIO_TOKEN
) -> RequestCredentials:
    return RequestCredentials("/twilio", (("x-twilio-signature", twilio_signature(secret, url)),))


def test_twilio_is_known_by_its_signature() -> None:
    permit = result(authenticator(), from_twilio())

    assert isinstance(permit, Permit)
    assert (permit.name, permit.tenant, permit.scopes) == (
        "twilio:main",
        "acme",
        frozenset({Scope.INGEST}),
    )


@pytest.mark.parametrize("url", ["https://calls.example.com/twilio", f"{PUBLIC_URL}:443/twilio"])
def test_twilio_may_have_signed_another_spelling_of_this_address(url: str) -> None:
    assert isinstance(result(authenticator(), from_twilio(url)), Permit)


@pytest.mark.parametrize(
    "credentials",
    [
        from_twilio(secret="another token, as long as it has to be"),
        from_twilio(secret=""),
        from_twilio("wss://evil.example/twilio"),
        from_twilio(f"{PUBLIC_URL}:8443/twilio"),
        from_twilio("http://calls.example.com/twilio"),
        replace(from_twilio(), target="/twilio?call_id=another"),
        replace(from_twilio(f"{PUBLIC_URL}/v1/listen"), target="/v1/listen"),
        RequestCredentials("/twilio", (("x-twilio-signature", ""),)),
        RequestCredentials("/twilio", (("host", "calls.example.com"),)),
        RequestCredentials("/twilio", from_twilio().headers * 2),
    ],
)
def test_what_twilio_has_not_signed_for_this_address_is_a_strangers(
    credentials: RequestCredentials,
) -> None:
    assert result(authenticator(), credentials) == STRANGER


def test_twilios_signature_means_nothing_where_the_public_url_is_unknown() -> None:
    assert result(authenticator(public_url=""), from_twilio("/twilio")) == STRANGER


# AudioHook

_COVERED = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)


def from_genesys(
    *,
    nonce: str = "n" * 22,
    created: float = NOW,
    secret: str = AUDIOHOOK_SECRET,
    covered: tuple[str, ...] = _COVERED,
    authority: str = "calls.example.com",
) -> RequestCredentials:
    """A request signed as Genesys' documentation says."""
    headers = {
        "host": authority,
        "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
        "audiohook-session-id": "e160e428-53e2-487c-977d-96989bf5c99d",
        "audiohook-correlation-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
        "x-api-key": "genesys-key",
    }
    values = headers | {"@request-target": "/audiohook", "@authority": authority}
    names = " ".join(f'"{name}"' for name in covered)
    parameters = (
        f'({names});keyid="genesys-key";nonce="{nonce}";alg="hmac-sha256";'
        f"created={int(created)};expires={int(created) + 10}"
    )
    base = "\n".join(
        [*(f'"{name}": {values[name]}' for name in covered), f'"@signature-params": {parameters}']
    )
    made = hmac.new(base64.b64decode(secret), base.encode(), hashlib.sha256).digest()
    signed = {
        "signature-input": f"sig1={parameters}",
        "signature": f"sig1=:{base64.b64encode(made).decode()}:",
    }
    return RequestCredentials("/audiohook", tuple((headers | signed).items()))


def test_genesys_is_known_by_its_signature() -> None:
    permit = result(authenticator(), from_genesys())

    assert isinstance(permit, Permit)
    assert permit.name == "audiohook:genesys-key"


async def test_a_signature_opens_one_call_at_all_processes_of_a_gateway(
    redis: Redis, tmp_path: Path
) -> None:
    settings = GatewaySettings(keys_file=str(site(tmp_path).file), public_url=PUBLIC_URL)
    processes = [
        AccessController(settings, lambda: NOW, shared=shared_limits(redis, 50.0, 2))
        for _ in range(2)
    ]
    requests = [from_genesys(), from_genesys(), from_genesys(nonce="m" * 22)]

    results = [
        await process.authenticate(one, Scope.INGEST)
        for process, one in zip([*processes, processes[1]], requests, strict=True)
    ]

    assert [isinstance(one, Permit) for one in results] == [True, False, True]
    assert results[1] == STRANGER


def test_a_signature_that_was_overheard_opens_nothing() -> None:
    one = authenticator()
    result(one, from_genesys())

    assert result(one, from_genesys()) == STRANGER
    assert isinstance(result(one, from_genesys(nonce="m" * 22)), Permit)


def test_a_signature_is_refused_for_as_long_as_it_would_be_good_otherwise() -> None:
    one, early = authenticator(), from_genesys(created=NOW + 3)
    result(one, early)

    later = [result(one, early, NOW + seconds) for seconds in range(1, 30)]

    assert set(later) == {STRANGER}


@pytest.mark.parametrize(
    "credentials",
    [
        from_genesys(secret=base64.b64encode(b"another secret that is long").decode()),
        from_genesys(created=NOW - 60),
        from_genesys(created=NOW + 60),
        from_genesys(nonce="short"),
        from_genesys(covered=_COVERED[:-1]),
        from_genesys(covered=_COVERED[1:]),
        from_genesys(authority="evil.example"),
        replace(from_genesys(), target="/audiohook?x=1"),
        replace(from_genesys(), target="/v1/listen"),
        RequestCredentials(
            "/audiohook", (*from_genesys().headers, ("audiohook-session-id", "another"))
        ),
        RequestCredentials("/audiohook", (*from_genesys().headers, ("authorization", "Bearer x"))),
    ],
)
def test_what_genesys_has_not_signed_is_a_strangers(credentials: RequestCredentials) -> None:
    assert result(authenticator(), credentials) == STRANGER


# Certificates, rates


def test_a_certificate_counts_where_nothing_else_is_shown() -> None:
    shown = RequestCredentials("/v1/calls", certificate="pbx.acme.example")

    assert isinstance(result(authenticator(), shown), Permit)
    assert result(authenticator(), replace(shown, certificate="pbx.evil.example")) == STRANGER
    assert (
        result(authenticator(), replace(shown, headers=(("authorization", "wrong"),))) == STRANGER
    )


def test_too_many_connections_get_a_retry_time() -> None:
    one, credentials = (
        authenticator(rate=2.0),
        RequestCredentials("/v1/calls", certificate="pbx.acme.example"),
    )

    judged_at = [result(one, credentials, NOW + second) for second in (0, 0, 0, 1)]

    refused = [answer for answer in judged_at if isinstance(answer, Refusal)]
    assert [(one.status, one.retry_after) for one in refused] == [(HTTPStatus.TOO_MANY_REQUESTS, 1)]
    assert isinstance(judged_at[-1], Permit)


def test_without_keys_everybody_may_do_everything() -> None:
    assert (
        Authenticator(None, "", 1.0).authenticate(RequestCredentials("/twilio"), Scope.ADMIN, NOW)
        is EVERYTHING
    )


def test_a_permit_falls_with_its_signer() -> None:
    one = authenticator()
    permit = result(one, from_twilio())
    assert isinstance(permit, Permit)
    assert one.stands(permit, NOW)

    one.keyring = Keyring()

    assert not one.stands(permit, NOW)


def test_a_bucket_gives_back_nothing_when_its_clock_goes_backwards() -> None:
    bucket = TokenBucket(1.0, 2.0, 100.0)

    assert [bucket.take(1, now) for now in (100, 50, 99, 100, 101)] == [0, 0, 1, 1, 0]


# Addresses


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway", "", "127.0.0.1.example"])
def test_no_gateway_that_others_can_reach_goes_without_keys(host: str) -> None:
    with pytest.raises(ValueError, match="there is no authentication"):
        GatewaySettings(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_on_the_same_machine_no_key_is_needed(host: str) -> None:
    assert not GatewaySettings(host=host).keys_file


@pytest.mark.parametrize("published", ["0.0.0.0:8080", "8080", "[::]:8080", "192.0.2.1:8080"])
def test_what_a_container_publishes_is_what_counts(published: str) -> None:
    assert GatewaySettings(host="0.0.0.0", published="127.0.0.1:8080").host == "0.0.0.0"
    with pytest.raises(ValueError, match="there is no authentication"):
        GatewaySettings(host="127.0.0.1", published=published)


# Limits


def limits(**changed: float) -> CallLimits:
    return replace(
        CallLimits(pace=1.25, burst=10, first_audio=120, idle=3_600, longest=43_200), **changed
    )


@pytest.mark.parametrize(
    ("looks", "code"),
    [
        ([(1, 1), (60, 60), (3_000, 3_000)], None),  # a call
        ([(9, 1), (60, 40)], None),  # a burst, and a little fast
        ([(11, 0)], None),  # a burst in the second before the first check
        ([(30, 1)], TOO_FAST),
        ([(5, 1), (200, 100)], TOO_FAST),
        ([(0, 119)], None),  # it rings
        ([(0, 121)], IDLE),
        ([(5, 5), (5, 3_604)], None),  # on hold
        ([(5, 5), (5, 3_606)], IDLE),
        ([(43_000, 43_000), (43_201, 43_201)], TOO_LONG),
    ],
)
def test_limits_of_a_call(looks: list[tuple[float, float]], code: int | None) -> None:
    watch = LimitWatch(limits(), heard=0, now=0)

    limits_exceeded = [watch.poll(heard, now) for heard, now in looks]

    assert all(exceeded is None for exceeded in limits_exceeded[:-1])
    assert (limits_exceeded[-1] and limits_exceeded[-1].code) == code


def test_a_file_may_come_as_fast_as_it_likes_unless_a_pace_is_set() -> None:
    assert LimitWatch(limits(pace=0), heard=0, now=0).poll(3_600, 1) is None


def test_audio_before_a_reconnection_does_not_count_for_the_pace() -> None:
    assert LimitWatch(limits(), heard=3_600, now=0).poll(3_605, 1) is None


def test_no_bridge_was_silent_while_the_gateway_stood_still() -> None:
    waiting, idle = (LimitWatch(limits(first_audio=30, idle=20), heard=0, now=0) for _ in range(2))
    idle.poll(1, 1)

    for watch in (waiting, idle):
        watch.excuse(60)

    assert waiting.poll(0, 61) is None
    assert idle.poll(1, 62) is None
    assert waiting.poll(0, 91) is not None
    assert idle.poll(1, 82) is not None
