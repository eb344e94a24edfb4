"""Data of a bridge about a call: what may be shown."""

import pytest

from protocol.calls.call_metadata import shown_metadata
from protocol.dialects.common.options import metadata


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "X-Api-Key",
        "access_token",
        "wsAuthPassword",
        "Authorization",
        "key",
        "clientSecret",
    ],
)
def test_what_may_be_a_credential_is_left_out(name: str) -> None:
    assert shown_metadata([(name, "tk_secret"), ("from", "+15550100")]) == (("from", "+15550100"),)


def test_a_card_number_in_a_name_or_at_the_end_of_a_cut_value_is_not_shown() -> None:
    cut = metadata([("note", f"{'x' * 245} 4111 1111 1111 1111 end")], most=8, longest=256)

    assert shown_metadata(cut) == (("note", f"{'x' * 245} "),)
    assert shown_metadata([("4111111111111111", "yes")]) == (("[CARD_NUMBER]", "yes"),)


def test_what_the_call_itself_shows_is_left_out() -> None:
    pairs = [("call_id", "c1"), ("keywords", "Acme"), ("Sample-Rate", "8000"), ("agent", "Priya")]

    assert shown_metadata(pairs) == (("agent", "Priya"),)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("card 4111 1111 1111 1111", "card [CARD_NUMBER]"),
        ("4111-1111-1111-1111", "[CARD_NUMBER]"),
        ("+49 30 1234567", "+49 30 1234567"),
        ("order 4111111111111112", "order 4111111111111112"),
    ],
)
def test_card_numbers_are_not_shown(value: str, shown: str) -> None:
    assert shown_metadata([("note", value)]) == (("note", shown),)
