"""For engines that transcribe in steps: the whole of one utterance at once."""

from collections.abc import Generator

from ..base import Hypothesis


def result_of(steps: Generator[None, None, Hypothesis]) -> Hypothesis:
    """Advance `steps` to its end.  Returns its hypothesis; raises what a step raises."""
    try:
        while True:
            next(steps)
    except StopIteration as done:
        heard: Hypothesis = done.value
        return heard
