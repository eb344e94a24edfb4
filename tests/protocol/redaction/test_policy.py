"""Policy files."""

import pytest

from protocol.redaction.policy import (
    CARD_DATA,
    CARD_DATA_POLICY,
    DataKind,
    Policy,
    PolicyError,
    PolicyTest,
    read_policies,
)

FILE = """
kinds = ["card_number", "ssn"]
keep_last_four = true

[tags]
card_number = "[CARD]"

[tenants.acme]
kinds = []

[[tests]]
said = "my card is 4242 4242 4242 4242"
shown = "my card is [CARD] 4242"
"""


def test_a_file_has_a_policy_for_the_site_and_for_tenants() -> None:
    policies = read_policies(FILE)

    assert policies.of("acme") == Policy(frozenset())
    assert policies.of("other") == policies.site
    assert policies.site.kinds == {DataKind.CARD_NUMBER, DataKind.SSN}
    assert policies.site.keep_last_four
    assert policies.site.tag(DataKind.CARD_NUMBER) == "[CARD]"
    assert policies.site.tag(DataKind.SSN) == "[SSN]"
    assert policies.tests == (
        PolicyTest("my card is 4242 4242 4242 4242", "my card is [CARD] 4242"),
    )


def test_an_empty_file_is_the_default() -> None:
    assert read_policies("").of("") == CARD_DATA_POLICY


def test_a_client_may_ask_for_more_and_never_for_less() -> None:
    assert CARD_DATA_POLICY.widened({DataKind.SSN}).kinds == CARD_DATA | {DataKind.SSN}
    assert CARD_DATA_POLICY.widened(()) == CARD_DATA_POLICY


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kinds = [", "not TOML"),
        ('kinds = "card_number"', "kinds must be a list"),
        ('kinds = ["names"]', "'names' is not a kind"),
        ("kind = []", "unknown key 'kind'"),
        ("keep_last_four = 4", "must be true or false"),
        ('tags = {card_number = "[4]"}', "without digits"),
        ("tenants = []", "tenants must be tables"),
        ("[tenants.acme]\nkind = []", "unknown key 'kind'"),
        ("[[tests]]\nsaid = 'x'", "a test has said, shown"),
    ],
)
def test_a_wrong_file_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint):
        read_policies(text)
