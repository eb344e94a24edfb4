"""Signatures of requests.  The vectors were captured from the vendors' own clients."""

import pytest

from protocol.auth.signatures import (
    SignatureError,
    Signed,
    check_audiohook,
    is_from_twilio,
    twilio_signature,
)

TOKEN = "12345678901234567890123456789012"
URL = "wss://asr.example.com/twilio"
BARE, SLASHED = "wcrnVwnRJfQ1+a0tmfvBDzM8hRA=", "BmYmZJ0JHSftrVND0cWpBG13LUg="

SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
CREATED = 1_795_382_670
KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
INPUT = (
    'sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id"'
    ' "audiohook-correlation-id" "x-api-key");keyid="SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"'
    ';nonce="0XgZoEV8FXGOAFt9KgQpVQD+";alg="hmac-sha256";created=1795382670;expires=1795382700'
)


def signed(**changes: str) -> Signed:
    headers = {
        "audiohook-organization-id": "182b4a15-9792-49f0-b7a1-9beaaddb25eb",
        "audiohook-session-id": "c328eb04-b111-435b-a779-3132e23c52b3",
        "audiohook-correlation-id": "d188c982-f7f6-4bc8-a496-eeb64cef2b65",
        "x-api-key": KEY,
        "signature-input": INPUT,
        "signature": "sig1=:J59tlL34pKwK/4BlJ9X20DYir0XeY970C9zrMElW64s=:",
    }
    names = {name.replace("_", "-"): value for name, value in changes.items()}
    return Signed("/audiohook", "127.0.0.1:18301", headers | names)


@pytest.mark.parametrize(("url", "signature"), [(URL, BARE), (URL + "/", SLASHED)])
def test_twilios_own_vector(url: str, signature: str) -> None:
    assert twilio_signature(TOKEN, url) == signature


@pytest.mark.parametrize("signature", [BARE, SLASHED])
@pytest.mark.parametrize("url", [URL, URL + "/"])
def test_a_slash_at_the_end_does_not_matter(url: str, signature: str) -> None:
    assert is_from_twilio(TOKEN, url, signature)


@pytest.mark.parametrize(
    ("public", "signed_url", "good"),
    [
        ("wss://h.example/twilio", "wss://h.example/twilio", True),
        ("wss://h.example/twilio", "https://h.example/twilio", True),
        ("wss://h.example/twilio", "wss://h.example:443/twilio", True),
        ("wss://h.example/twilio", "https://h.example:443/twilio/", True),
        ("wss://h.example:443/twilio", "wss://h.example/twilio", True),
        ("https://h.example/twilio", "wss://h.example/twilio", True),
        ("wss://h.example:8443/twilio", "https://h.example:8443/twilio", True),
        ("wss://h.example:8443/twilio", "wss://h.example/twilio", True),  # as RequestValidator
        ("ws://h.example/twilio", "http://h.example:80/twilio", True),
        ("wss://[2001:db8::1]/twilio", "https://[2001:db8::1]:443/twilio", True),
        ("wss://h.example/twilio?a=1&b=/", "https://h.example:443/twilio?a=1&b=/", True),
        ("wss://h.example/twilio", "wss://h.example:80/twilio", False),
        ("wss://h.example/twilio", "wss://h.example:8443/twilio", False),
        ("wss://h.example:8443/twilio", "wss://h.example:443/twilio", False),
        ("wss://h.example/twilio", "http://h.example/twilio", False),
        ("wss://h.example/twilio", "wss://other.example/twilio", False),
        ("wss://h.example/twilio?a=1", "wss://h.example/twilio", False),
    ],
)
def test_twilio_may_spell_the_same_address_otherwise(
    public: str, signed_url: str, good: bool
) -> None:
    assert is_from_twilio(TOKEN, public, twilio_signature(TOKEN, signed_url)) is good


@pytest.mark.parametrize(
    ("token", "url", "signature"),
    [
        (TOKEN, "ws://asr.example.com/twilio", BARE),
        (TOKEN, "http://asr.example.com:443/twilio", BARE),
        (TOKEN, "wss://asr.example.com/other", BARE),
        ("0" * 32, URL, BARE),
        (TOKEN, URL, ""),
        (TOKEN, URL, "é"),
    ],
)
def test_the_signature_of_another_account_is_refused(token: str, url: str, signature: str) -> None:
    assert not is_from_twilio(token, url, signature)


def test_the_vector_of_genesys() -> None:
    assert check_audiohook(signed(), SECRET, CREATED + 1) == "0XgZoEV8FXGOAFt9KgQpVQD+"


@pytest.mark.parametrize("now", [CREATED - 4, CREATED + 11, CREATED + 31])
def test_a_signature_is_good_for_ten_seconds(now: float) -> None:
    with pytest.raises(SignatureError, match="expired, or the clocks differ"):
        check_audiohook(signed(), SECRET, now)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"signature": ""}, "signature is missing"),
        ({"signature_input": "sig1=()"}, "signature is missing"),
        ({"signature": "sig1=:AAAA:"}, "does not match"),
        ({"audiohook_session_id": "another"}, "does not match"),
        ({"x_api_key": "another"}, "keyid is not the API key"),
        ({"signature_input": INPUT.replace('"x-api-key"', '"x-key"')}, "does not cover"),
        ({"signature_input": INPUT.replace("0XgZoEV8FXGOAFt9KgQpVQD+", "short")}, "nonce"),
        (
            {"signature_input": INPUT.replace("hmac-sha256", "none")},
            "must be made with hmac-sha256",
        ),
        ({"signature_input": INPUT.replace("created=1795382670", "x=1")}, "must be numbers"),
        (
            {"signature_input": INPUT.replace('"x-api-key")', '"x-api-key" "x-none")')},
            "not in the request",
        ),
    ],
)
def test_what_is_not_signed_as_it_should_be(changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(SignatureError, match=complaint):
        check_audiohook(signed(**changes), SECRET, CREATED + 1)


def test_another_secret_does_not_fit() -> None:
    with pytest.raises(SignatureError, match="does not match"):
        check_audiohook(signed(), "AAAA", CREATED + 1)
