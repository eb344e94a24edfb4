"""Card data that is keyed in by DTMF."""

import pytest

from protocol.clock import from_seconds
from protocol.events import DtmfPressed, Final, SegmentId, Span, Timing, Word
from protocol.redaction.keypad import KeypadRedactor
from protocol.redaction.policy import CARD_DATA_POLICY, NO_REDACTION, DataKind, Policy

CARD = "4111111111111111"


def said(text: str, at: float) -> Final:
    words = tuple(map(Word, text.split()))
    span = Span(from_seconds(at - 1), from_seconds(at))
    return Final(SegmentId(1, 0), span, words, "en", 0, (), "engine", Timing(0, 0))


def keyed(keys: str, policy: Policy = CARD_DATA_POLICY, asked: str = "") -> str:
    """What is logged of `keys`: one a second, and a space is a pause of 5 seconds."""
    keypad = KeypadRedactor(policy)
    if asked:
        keypad.hear(said(asked, 1.0))
    logged: list[DtmfPressed] = []
    position = from_seconds(2.0)
    for key in keys:
        position += from_seconds(5.0 if key == " " else 1.0)
        logged += keypad.listen(0, position) if key == " " else keypad.press(0, key, position)
    logged += keypad.flush()
    assert [one.at for one in logged] == sorted(one.at for one in logged)
    return "".join(one.digit for one in logged)


@pytest.mark.parametrize(
    ("keys", "left"),
    [
        (f"{CARD}#", "[CARD_NUMBER]#"),
        (f"{CARD}#1228#123#", "[CARD_NUMBER]#[EXPIRY]#[SECURITY_CODE]#"),
        (f"{CARD} 123", "[CARD_NUMBER][SECURITY_CODE]"),
        (f"{CARD}1228123", "[CARD_NUMBER]"),
        ("378282246310005#", "[CARD_NUMBER]#"),
        ("4111 1111 1111 1111", "[CARD_NUMBER]"),  # the caller looks at the card
        ("4111111111111112#", "[CARD_NUMBER]#"),  # one wrong key
        (f"41112222*{CARD}#", "[CARD_NUMBER]*[CARD_NUMBER]#"),
        (f"{CARD}#1", "[CARD_NUMBER]#1"),
        ("1", "1"),
        ("2 1 *3#", "21*3#"),
        ("4155550123#", "4155550123#"),
        ("123#", "123#"),
        ("12345678#", "12345678#"),
    ],
)
def test_card_data_is_masked_and_other_keys_stay(keys: str, left: str) -> None:
    assert keyed(keys) == left


@pytest.mark.parametrize(
    ("asked", "keys", "left"),
    [
        ("please enter the security code", "123#", "[SECURITY_CODE]#"),
        ("please enter the expiry date", "0928#", "[EXPIRY]#"),
        ("your pin please", "4711", "[SECURITY_CODE]"),
        ("please key in your card number", "4738#", "[CARD_NUMBER]#"),
        (
            "please key in your card number",
            f"{CARD}#0928#123#",
            "[CARD_NUMBER]#[EXPIRY]#[SECURITY_CODE]#",
        ),
        ("please enter your order number", "12345678901234#", "12345678901234#"),
        ("please enter your order number", f"{CARD}#", "[CARD_NUMBER]#"),
    ],
)
def test_what_was_asked_for_decides(asked: str, keys: str, left: str) -> None:
    assert keyed(keys, asked=asked) == left


def test_a_policy_decides() -> None:
    assert keyed(f"{CARD}#", NO_REDACTION) == f"{CARD}#"
    assert keyed("123456789#", Policy(frozenset({DataKind.SSN}))) == "[SSN]#"
    assert keyed("123#", Policy(frozenset({DataKind.NUMBER}))) == "[NUMBER]#"


def test_a_digit_is_held_back_until_a_pause_and_never_before() -> None:
    keypad = KeypadRedactor(CARD_DATA_POLICY)

    assert keypad.press(0, "5", 8_000) == []
    assert keypad.holds
    assert keypad.listen(1, 400_000) == []
    assert keypad.listen(0, 8_000 + from_seconds(3.9)) == []
    assert keypad.listen(0, 8_000 + from_seconds(4)) == [DtmfPressed(0, "5", 8_000)]
    assert not keypad.holds


def test_with_no_redaction_keys_are_logged_at_once() -> None:
    assert KeypadRedactor(NO_REDACTION).press(0, "5", 80) == [DtmfPressed(0, "5", 80)]


def test_a_run_without_an_end_is_held_only_so_long() -> None:
    keypad = KeypadRedactor(CARD_DATA_POLICY)

    logged = [one for at in range(1_000) for one in keypad.press(0, "5", from_seconds(at))]

    assert [one.digit for one in logged] == ["[CARD_NUMBER]"] * 4
    assert keypad.holds
