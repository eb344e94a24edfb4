"""Script of the demo call: invented people and products, and a card number made for tests."""

from dataclasses import dataclass
from enum import StrEnum


class Speaker(StrEnum):
    """Speaker; the agent is channel 0 and the customer channel 1 of the recording."""

    AGENT = "agent"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True)
class Turn:
    """
    What one side says without being interrupted.

    `text` is as spoken, numbers as words.  `display` is as one would type it; empty when `text` will do.
    `pause` is the silence before it in seconds, `speed` the pace (1.0 is the voice's own).
    """

    speaker: Speaker
    text: str
    display: str = ""
    pause: float = 0.6
    speed: float = 1.0


_A, _C = Speaker.AGENT, Speaker.CUSTOMER

KEYWORDS = ("Orvanta", "Zelvo Dock", "Quillon", "Maren", "Tobias Ekwall")
"""Keywords that a customer would set: no recogniser was trained on these names."""

TURNS = (
    Turn(
        _A,
        "Thank you for calling Orvanta support, this is Maren speaking. How can I help you today?",
        pause=1.0,
    ),
    Turn(
        _C,
        "Hi Maren, my name is Tobias Ekwall. I bought a Zelvo Dock from you last week, "
        "and it keeps dropping the sound.",
        pause=0.8,
    ),
    Turn(
        _A,
        "I am sorry to hear that, Mister Ekwall. Could you give me the order number, please?",
        "I am sorry to hear that, Mr Ekwall. Could you give me the order number, please?",
        pause=0.5,
    ),
    Turn(
        _C,
        "Sure, it is seven four two, nine one six.",
        "Sure, it is 742 916.",
        pause=1.2,
        speed=0.92,
    ),
    Turn(
        _A,
        "Seven four two, nine one six, thank you. Let me look. Yes, a Zelvo Dock and a Quillon headset. "
        "Does the sound drop on the headset only, or on the speakers as well?",
        "742 916, thank you. Let me look. Yes, a Zelvo Dock and a Quillon headset. "
        "Does the sound drop on the headset only, or on the speakers as well?",
        pause=0.7,
    ),
    Turn(
        _C,
        "Only on the Quillon. The speakers are fine. "
        "It happens after ten or fifteen minutes, usually in the middle of a meeting.",
        "Only on the Quillon. The speakers are fine. "
        "It happens after 10 or 15 minutes, usually in the middle of a meeting.",
    ),
    Turn(
        _A,
        "That sounds like the old firmware. Please hold down the button on the back of the dock "
        "for five seconds, until the light turns blue.",
        "That sounds like the old firmware. Please hold down the button on the back of the dock "
        "for 5 seconds, until the light turns blue.",
        pause=0.5,
    ),
    Turn(_C, "Okay, one moment.", pause=0.7),
    Turn(_C, "Yes, now the light is blue.", pause=3.2),
    Turn(
        _A,
        "Great. The update will take about two minutes, and then the sound should stay. "
        "If it drops again, we will send you a new dock free of charge.",
        "Great. The update will take about 2 minutes, and then the sound should stay. "
        "If it drops again, we will send you a new dock free of charge.",
        pause=0.4,
    ),
    Turn(
        _C,
        "Thank you. And while I have you, I would like to order a second Quillon for my wife.",
        pause=0.8,
    ),
    Turn(
        _A,
        "Of course, that is eighty nine dollars. Could you read me your card number, please?",
        "Of course, that is $89. Could you read me your card number, please?",
        pause=0.5,
    ),
    Turn(
        _C,
        # Adyen's published test card for Visa.  Not 4111 1111 1111 1111: recognisers miscount fifteen ones.
        "Yes, it is four nine eight eight, four three eight eight, "
        "four three eight eight, four three zero five.",
        "Yes, it is 4988 4388 4388 4305.",
        pause=1.4,
        speed=0.9,
    ),
    Turn(_A, "Thank you. And when does it expire?", pause=0.9),
    Turn(
        _C,
        "In December twenty thirty.",
        "In December 2030.",
        pause=0.6,
    ),
    Turn(
        _A,
        "Perfect. Your Quillon will be with you on Thursday. Is there anything else I can do for you?",
        pause=1.1,
    ),
    Turn(_C, "No, that is all. Thank you for your help, Maren.", pause=0.6),
    Turn(
        _A,
        "You are very welcome, Mister Ekwall. Have a good day.",
        "You are very welcome, Mr Ekwall. Have a good day.",
        pause=0.4,
    ),
    Turn(_C, "You too. Goodbye.", pause=0.4),
)
