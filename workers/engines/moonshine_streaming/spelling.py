"""From tokens to words with their probabilities."""

from collections.abc import Callable, Sequence

from ..moonshine.tokens import Spelled

Decode = Callable[[Sequence[int]], str]
"""The text of a row of tokens."""


def spell(
    decode: Decode, tokens: Sequence[int], probabilities: Sequence[float]
) -> tuple[Spelled, ...]:
    """
    The words that `tokens` write; the probability of a word is the product of those of its tokens.

    A token belongs to the word that the text up to it ends with.  This holds for every kind of tokenizer.
    """
    texts = decode(tokens).split()
    if not texts:
        return ()
    words = [len(decode(tokens[: place + 1]).split()) for place in range(len(tokens))]
    owners = [min(max(count, 1), len(texts)) - 1 for count in words]
    return tuple(
        _word(text, [place for place, owner in enumerate(owners) if owner == number], probabilities)
        for number, text in enumerate(texts)
    )


def _word(text: str, places: Sequence[int], probabilities: Sequence[float]) -> Spelled:
    sure = 1.0
    for place in places:
        sure *= probabilities[place]
    return Spelled(text, sure, max(1, len(places)), places[0] if places else 0)
