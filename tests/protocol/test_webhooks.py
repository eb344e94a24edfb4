"""Signatures of callbacks and webhooks."""

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

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
