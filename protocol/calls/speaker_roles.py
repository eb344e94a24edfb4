"""The values of the option `speaker_roles`: how the speakers of a mixed channel get roles."""

from .call import BY_GREETING, MOST_SPEAKERS, NO_ROLES, Role, RoleRule
from .keywords import split

_NAMED = {
    "greeting": BY_GREETING,
    "inbound": RoleRule((Role.AGENT, Role.CUSTOMER)),
    "outbound": RoleRule((Role.CUSTOMER, Role.AGENT)),
    "none": NO_ROLES,
    "false": NO_ROLES,
}
"""In an inbound call the agent answers, in an outbound call the customer: the one who answers speaks first."""

_SPOKEN = frozenset((Role.AGENT, Role.CUSTOMER))


def role_rule(value: object) -> RoleRule:
    """
    The rule that a client or a setting names.  Raises ValueError for other values.

    `value`: `greeting`, `inbound`, `outbound`, `none`, or roles in the order of first speech, as a list or as a
    text with commas.
    """
    name = str(value).strip().lower()
    if name in _NAMED:
        return _NAMED[name]
    roles = split(name) if isinstance(value, str) else value
    if not isinstance(roles, list | tuple) or not 1 <= len(roles) <= MOST_SPEAKERS:
        raise ValueError(_HELP)
    if not all(isinstance(role, str) and role in _SPOKEN for role in roles):
        raise ValueError(_HELP)
    return RoleRule(tuple(Role(role) for role in roles))


_HELP = "must be greeting, inbound, outbound, none, or roles in the order of first speech: agent,customer"
