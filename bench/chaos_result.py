"""The evaluation of the calls of a chaos run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.bridge import TERMINAL, Bridge, Event
from bench.rows import rows_in, rows_of, without_latency
from bench.spoken import SYLLABLE
from transcripts.store import Store

_EDGE = 600
"""Samples of a syllable that a segment may lack and still be readable, or contain without being read."""


@dataclass(slots=True)
class ChaosResult:
    """Counts over all calls of a run."""

    segments: int = 0
    digits: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    resumed: int = 0
    engines: Counter[str] = field(default_factory=Counter)
    """Finals by the engine that wrote them."""

    wrong: Counter[str] = field(default_factory=Counter)
    """Violations and their counts."""

    examples: list[str] = field(default_factory=list)

    def blame(self, what: str, call_id: str, times: int = 1) -> None:
        """Record a violation."""
        if times:
            self.wrong[what] += times
            self.examples.append(f"{what}: {call_id}")

    @property
    def passed(self) -> bool:
        """Return whether there was no violation."""
        return not self.wrong.total()

    @property
    def text(self) -> str:
        """The result as a table."""
        lines = [
            f"{self.segments} segments, {self.digits} digits, {self.resumed} times resumed",
            *(f"  {count:5} finals of {name}" for name, count in sorted(self.engines.items())),
            *(f"  {count:5} {name}" for name, count in sorted(self.faults.items())),
            "nothing lost, nothing twice, nothing wrong" if self.passed else "WRONG:",
            *(f"  {count:5} {name}" for name, count in sorted(self.wrong.items())),
            *(f"    {one}" for one in self.examples[:20]),
        ]
        return "\n".join(lines)


def evaluate(
    bridges: Sequence[Bridge], store: Store, dead: int, faults: Counter[str]
) -> ChaosResult:
    """Check every call: its log, its audio accounts, its rows in the store."""
    result = ChaosResult(faults=faults)
    poisoned = 0
    for bridge in bridges:
        if not bridge.log:
            result.blame("calls without a log", f"{bridge.call_id}, heard {bridge.heard}")
            continue
        terminals = [event for event in bridge.log if event["type"] in TERMINAL]
        result.segments += len(terminals)
        result.resumed += len(bridge.cuts)
        result.engines.update(one["engine"] for one in terminals if one.get("engine"))
        _evaluate_log(bridge, terminals, result)
        _evaluate_text(bridge, terminals, result)
        _evaluate_store(bridge, terminals, store, result)
        poisoned += _evaluate_poison(bridge, terminals, result)
    result.blame("dead letters that are no poison", "", max(0, dead - poisoned))
    return result


def _evaluate_log(bridge: Bridge, terminals: Sequence[Event], result: ChaosResult) -> None:
    """Check the log: one start, one end, no gap in seq, one terminal event for each segment, matching totals."""
    name, log = bridge.call_id, bridge.log
    begun = Counter(event["segment_id"] for event in log if event["type"] == "speech.started")
    ended = Counter(event["segment_id"] for event in terminals)
    last = log[-1]
    result.blame("holes in the log", name, [e["seq"] for e in log] != list(range(1, len(log) + 1)))
    result.blame("segments lost", name, (begun - ended).total())
    result.blame("segments twice", name, (ended - begun).total())
    result.blame("segments begun twice", name, begun.total() - len(begun))
    result.blame("numbers with holes", name, set(begun) != {f"0-{n}" for n in range(len(begun))})
    result.blame("calls ended wrongly", name, last["segments"] != len(begun))
    total = sum(last["channels"][0].values())
    result.blame("accounts that do not add up", f"{name} {last}", total != last["duration_ms"])
    result.blame("told otherwise than logged", name, bridge.contradictions)
    by_seq = {event["seq"]: event for event in log}
    result.blame(
        "told otherwise than logged",
        name,
        any(by_seq.get(seq) != event for seq, event in bridge.seen.items()),
    )


@dataclass(frozen=True, slots=True)
class _Under:
    """The digits of the script inside a segment."""

    some: tuple[tuple[int, str], ...]
    """Digits that overlap the segment."""

    most: tuple[tuple[int, str], ...]
    """Digits inside the segment, except for a tolerated edge."""

    all_of: tuple[tuple[int, str], ...]
    """Digits inside the segment with a margin around them."""

    @classmethod
    def of(cls, bridge: Bridge, event: Event) -> "_Under":
        """Return the digits for the segment of a terminal event."""

        def within(margin: int) -> tuple[tuple[int, str], ...]:
            start, end = event["start_ms"] * 8 - margin, event["end_ms"] * 8 + margin
            digits = bridge.script.digits
            return tuple(one for one in digits if start <= one[0] and one[0] + SYLLABLE <= end)

        return cls(within(SYLLABLE - 1), within(_EDGE), within(-_EDGE))

    def explains(self, said: Sequence[str], cuts: Sequence[int]) -> bool:
        """Return whether the segment can have been read so. The rest of a cut digit may look like any digit."""
        if not _is_within([digit for _, digit in self.all_of], said):
            return False
        if any(_is_cut(at, cuts) for at, _ in self.some):
            return len(said) <= len(self.some)
        return _is_within(said, [digit for _, digit in self.some])


def _is_cut(at: int, cuts: Sequence[int]) -> bool:
    """Return whether the digit that begins `at` was cut where the call was resumed."""
    return any(at - _EDGE <= cut <= at + SYLLABLE + _EDGE for cut in cuts)


def _evaluate_text(bridge: Bridge, terminals: Sequence[Event], result: ChaosResult) -> None:
    """Check that every digit is in the segment that contains it; only a digit that was cut may be missing."""
    name, read = bridge.call_id, set[int]()
    for event in terminals:
        under = _Under.of(bridge, event)
        read.update(at for at, _ in under.most)
        if event["type"] == "segment.final":
            said = event["text"].split()
            example = f"{name} {event['segment_id']}: {said}, not {under.some}, cuts {bridge.cuts}"
            wrong = not under.explains(said, bridge.cuts)
            result.blame("texts that were not said there", example, wrong)
    must = [at for at, _ in bridge.script.digits if at + SYLLABLE <= bridge.heard]
    result.digits += len(must)
    missing = [at for at in must if at not in read]
    unexplained = [at for at in missing if not _is_cut(at, bridge.cuts)]
    example = f"{name} at {unexplained[:3]}, cuts {bridge.cuts}"
    result.blame("digits not heard", example, len(unexplained))


def _evaluate_store(
    bridge: Bridge, terminals: Sequence[Event], store: Store, result: ChaosResult
) -> None:
    """Check that the store has what the log has."""
    found = store.transcript(bridge.call_id)
    if found is None:
        result.blame("calls not stored", bridge.call_id)
        return
    is_retold = any("valkey" in fault for fault in result.faults)
    stored, logged = rows_of(found), rows_in(bridge.log)
    if is_retold:  # a final that no listener had received yet may have been decoded again
        stored, logged = without_latency(stored), without_latency(logged)
    for key in stored.keys() | logged.keys():
        if stored.get(key) != logged.get(key):
            example = f"{bridge.call_id} {key}: {stored.get(key)}, not {logged.get(key)}"
            result.blame("stored otherwise than logged", example)
    result.blame("ends not stored", bridge.call_id, not found.call.ended_reason)


def _evaluate_poison(bridge: Bridge, terminals: Sequence[Event], result: ChaosResult) -> int:
    """
    Check that poison failed, unless it was cut, and that nothing else failed.

    A segment of length 0 does not count: its gateway died before any of its audio was in Valkey, and the bridge
    sent all of it again.
    """
    failed = [
        event
        for event in terminals
        if event["type"] != "segment.final" and event["start_ms"] < event["end_ms"]
    ]
    place = bridge.script.poisoned
    if place is None:
        result.blame("innocent segments failed", f"{bridge.call_id} {failed[:2]}", len(failed))
        return 0
    guilty = [
        one
        for one in failed
        if one["start_ms"] * 8 < place + 4 * SYLLABLE and one["end_ms"] * 8 > place
    ]
    result.blame("innocent segments failed", bridge.call_id, len(failed) - len(guilty))
    cut = any(place < one < place + 4 * SYLLABLE for one in bridge.cuts)
    result.blame("poison not dead-lettered", bridge.call_id, not guilty and not cut)
    return len(guilty)


def _is_within(few: Sequence[str], many: Iterable[str]) -> bool:
    """Return whether `few` occur in this order in `many`."""
    rest = iter(many)
    return all(one in rest for one in few)
