"""Decides which speaker of a mixed channel is the agent and which one the customer.  Pure."""

from protocol.calls.call import Role, RoleRule

from .voice_history import VoiceHistory

_PARTIES = 2
"""Speakers of a call in which the one who is not the agent is the customer."""

Roles = dict[int, Role]
"""Roles by the number of the speaker.  Speakers whose role is not known are left out."""


def roles_of(history: VoiceHistory, rule: RoleRule) -> Roles:
    """
    The roles of the speakers of a channel; none before two voices are told apart.

    By greeting, one speaker alone must have said phrases of an agent. The other one of two is the customer.
    """
    voices = sorted(history.voices)
    if len(voices) < _PARTIES:
        return {}
    if rule.order:
        return dict(zip(voices, rule.order, strict=False))
    return _by_greeting(history, voices) if rule.by_greeting else {}


def _by_greeting(history: VoiceHistory, voices: list[int]) -> Roles:
    agents = {one.speaker for one in history.stretches if one.greeted}
    if len(agents) != 1:
        return {}
    others = [voice for voice in voices if voice not in agents]
    customers = others if len(voices) == _PARTIES else []
    return dict.fromkeys(agents, Role.AGENT) | dict.fromkeys(customers, Role.CUSTOMER)
