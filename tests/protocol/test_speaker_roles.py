"""The values of `speaker_roles`, and what each dialect makes of it."""

import json

import pytest

from protocol.bridge_events import CallOpened
from protocol.calls.call import BY_GREETING, NO_ROLES, Role, RoleRule
from protocol.calls.speaker_roles import role_rule
from protocol.dialects.common.call_parameters import parse_parameters
from protocol.dialects.native import Native
from protocol.dialects.openai.transcriptions import read_fields

INBOUND = RoleRule((Role.AGENT, Role.CUSTOMER))
OUTBOUND = RoleRule((Role.CUSTOMER, Role.AGENT))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("greeting", BY_GREETING),
        ("Inbound", INBOUND),
        ("outbound", OUTBOUND),
        ("none", NO_ROLES),
        (False, NO_ROLES),
        ("customer, agent", OUTBOUND),
        (["agent", "customer"], INBOUND),
        (["agent", "customer", "customer"], RoleRule((*INBOUND.order, Role.CUSTOMER))),
    ],
)
def test_a_rule_is_named_or_lists_the_roles(value: object, rule: RoleRule) -> None:
    assert role_rule(value) == rule


@pytest.mark.parametrize(
    "value", ["sideways", True, 2, [], ["agent", "boss"], ["mixed"], ["agent"] * 9, [["agent"]]]
)
def test_other_values_name_no_rule(value: object) -> None:
    with pytest.raises(ValueError, match="must be greeting, inbound"):
        role_rule(value)


def native_call(**fields: object) -> CallOpened:
    from protocol.dialects.base import Request

    start = {"type": "start", "channels": 1, **fields}
    (opened,) = Native(Request("/v1/calls", ())).receive(json.dumps(start))
    assert isinstance(opened, CallOpened)
    return opened


def test_the_start_of_a_call_names_the_rule() -> None:
    assert native_call().config.speaker_roles is None
    assert native_call(speaker_roles=["customer", "agent"]).config.speaker_roles == OUTBOUND


def test_a_rule_that_is_not_known_is_ignored_with_a_warning() -> None:
    opened = native_call(speaker_roles="sideways")

    assert opened.config.speaker_roles is None
    assert [one.message for one in opened.warnings if "speaker_roles" in one.message]


@pytest.mark.parametrize("name", ["speaker_roles", "speakerRoles"])
def test_bridges_with_parameters_name_it_there(name: str) -> None:
    assert parse_parameters([(name, "outbound")]).config.speaker_roles == OUTBOUND


def test_a_recording_for_openais_api_names_it_in_its_form() -> None:
    asked = read_fields([("response_format", "diarized_json"), ("speaker_roles", "inbound")])

    assert ("speaker_roles", "inbound") in asked.as_live(8_000, 1).query
