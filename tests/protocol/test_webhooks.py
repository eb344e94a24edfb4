"""Signatures of callbacks and webhooks."""

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from protocol.outgoing.retry_after import asked_pause
from protocol.outgoing.webhooks import Secret, SecretError, pause_after, signed_headers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(32)).decode()


def test_the_library_of_a_receiver_accepts_our_signature() -> None:
    headers = signed_headers([Secret.read(SECRET)], "msg_1", int(time.time()), b'{"a": 1}')

    assert Webhook(SECRET).verify(b'{"a": 1}', headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(b'{"a": 2}', headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(b'{"a": 1}', headers)


def test_while_a_secret_is_replaced_both_are_valid() -> None:
    both = [Secret.read(OTHER), Secret.read(SECRET)]

    headers = signed_headers(both, "msg_1", int(time.time()), b"{}")

    for one in (SECRET, OTHER):
        Webhook(one).verify(b"{}", headers)


@pytest.mark.parametrize(
    "text",
    ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_####", SECRET[6:], "whsec_" + "A" * 400],
)
def test_any_other_text_is_no_secret(text: str) -> None:
    with pytest.raises(SecretError, match="whsec_ and 24 to 64"):
        Secret.read(text)


def test_attempts_end_within_a_day() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, 12)]

    assert pauses[-1] is None
    assert 22 * 3_600 < sum(filter(None, pauses)) < 26 * 3_600
    assert pauses[:-1] == sorted(filter(None, pauses))
    assert "key" not in repr(Secret.read(SECRET))


def test_requests_that_failed_together_are_not_sent_together_again() -> None:
    assert pause_after(4, 0.0) == pytest.approx(480)
    assert pause_after(4, 1.0) == pytest.approx(720)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("99999", 3_600),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 59),
        ("Fri, 31 Dec 1999 23:00:00 GMT", 0),
        ("-5", 0),
        ("1e9", 0),
        ("\u0663", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_receiver_asks_for_a_pause_in_seconds_or_with_a_date(text: str, seconds: int) -> None:
    """23:59:00 UTC on the last day of 1999 is 946684740."""
    assert asked_pause({"retry-after": text}, 946_684_740.0) == seconds
    assert asked_pause({}, 946_684_740.0) == 0
