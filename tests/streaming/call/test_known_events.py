"""The packed event log of a call gives back what was put into it."""

from hypothesis import given
from hypothesis import strategies as st

from streaming.call.known_events import BLOCK, KnownEvents, NamedEvent

NAMES = st.sampled_from(["started", "0-0", "0-1", "speech:0-1", "ended", ""])
PAYLOADS = st.binary(max_size=40) | st.integers(0, 2 * BLOCK).map(bytes)
EVENTS = st.tuples(NAMES, PAYLOADS)


@given(st.lists(st.tuples(st.booleans(), EVENTS), max_size=30))
def test_events_come_back_as_they_were_put_in(steps: list[tuple[bool, NamedEvent]]) -> None:
    known, plain = KnownEvents(), list[NamedEvent]()
    for is_new, (name, payload) in steps:
        if is_new:
            known.append(name, payload)
            plain.append((name, payload))
        else:
            known.replace(name, payload)
            plain = [(one, payload if one == name else event) for one, event in plain]
    copied = known.copy()
    known.append("later", b"")

    assert list(copied) == plain
    assert len(copied) == len(plain)
    assert list(known) == [*plain, ("later", b"")]


def test_a_long_log_takes_a_fraction_of_its_size() -> None:
    """Even words that hardly repeat: names of fields, numbers and times are most of an event."""
    final = b'{"type":"segment.final","channel":0,"number":%d,"text":"word %d","start_ms":%d,"end_ms":%d}'
    events = [
        (f"0-{at}", final % (at, at * 7919 % 1_000, 900 * at, 900 * at + 700))
        for at in range(2_000)
    ]
    known = KnownEvents(events)

    plain = sum(len(name) + len(payload) for name, payload in events)
    assert known.held_bytes < plain / 4
    assert list(known) == events
