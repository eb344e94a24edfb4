"""A ready process exempts what it has loaded from garbage collection; cycles made later are still collected."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from runtime.process import collect_garbage_rarely


class Node:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_is_loaded_is_exempt_and_a_later_cycle_is_collected() -> None:
    loaded = Node()
    collect_garbage_rarely()
    dropped = weakref.ref(Node())

    assert all(one is not loaded for one in gc.get_objects())
    assert dropped() is not None
    kept = [Node() for _ in range(2 * gc.get_threshold()[0])]
    assert dropped() is None
    assert kept[0].itself is kept[0]
