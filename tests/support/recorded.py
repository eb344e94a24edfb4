"""A recording of operations for machines without a GPU."""

from collections.abc import Callable
from typing import Any

Tensors = tuple[Any, ...]


def replayed(act: Callable[[], Tensors], _device: Any) -> tuple[Callable[[], None], Tensors]:
    """See recording.Capture: fixed places for the results, filled anew each time."""
    places = tuple(part.clone() for part in act())

    def replay() -> None:
        for place, part in zip(places, act(), strict=True):
            place.copy_(part)

    return replay, places
