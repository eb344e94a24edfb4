"""Random segments of mixed lengths, languages, tasks and keywords, for comparisons with `generate()`."""

import random

from support import tiny_granite

from workers.engines.base import Utterance

TASKS = [
    ("en", None),
    ("fr", None),
    ("de", None),
    ("ja", None),
    ("en", "fr"),
    ("es", "en"),
    ("en", "zh"),
]
TERMS = [
    "Ann",
    "Trunkline",
    "O'Brien & Sons",
    "Łódź",
    "A-4711",
    "refund",
    "München",
    "order number",
]


def random_utterance(dice: random.Random, number: int) -> Utterance:
    """The next segment of `dice`: 0.01 s to 8.1 s of random letters."""
    language, translate_to = dice.choice(TASKS)
    length = dice.choice([0.01, 0.2, 0.31, 0.5, 0.8, 1.0, 1.3, 2.0, 4.0, 4.02, 8.1])
    seconds = length * dice.choice([1.0, dice.random()])
    return Utterance(
        tiny_granite.babble(max(seconds, 0.3), number)[: max(1, round(seconds * 16_000))],
        language=language,
        translate_to=translate_to,
        keywords=tuple(dice.sample(TERMS, dice.choice([0, 0, 1, 3, 6]))),
        previous=dice.choice(["", "hello thank you for calling"]),
    )
